import { SmError } from './SmError.ts'

/** One positional argument of a command. `check` throws InvalidArg for a text it does not accept. */
export interface ArgumentRow {
  readonly name: string
  readonly required: boolean
  readonly check: (text: string, name: string) => unknown
}

/** The arguments of vdi_create (spec smapi 7.9); references and the date are passed on as they came. */
export interface CreateArguments {
  /** Bytes. */
  readonly size: number
  readonly nameLabel: string
  readonly nameDescription: string
  /** Reference or empty. */
  readonly metadataOfPool: string
  readonly isASnapshot: boolean
  /** ISO 8601, as XenAPI writes it. */
  readonly snapshotTime: string
  /** Uuid, location or reference of the original, or empty. */
  readonly snapshotOf: string
  readonly readOnly: boolean
}

/**
 * A size in bytes, decimal. Which sizes are possible is for the driver to say, with its own code (spec file-sr 9.1, lvhd 6):
 * one below zero comes as it is, one that no number holds exactly as one near it. Throws InvalidArg (1) for other texts.
 */
export function parseSize(text: string | undefined, name = 'size'): number {
  if (text === undefined || !/^-?\d{1,100}$/.test(text)) throw new SmError('InvalidArg', `${name}: not a size in bytes`)
  return Number(text)
}

/** `true` or `false`. Throws InvalidArg (1) for anything else. */
export function parseBoolean(text: string | undefined, name: string): boolean {
  if (text !== 'true' && text !== 'false') throw new SmError('InvalidArg', `${name}: neither true nor false`)
  return text === 'true'
}

/** The arguments of vdi_create; everything but the size has a default. Throws InvalidArg (1). */
export function parseCreateArguments(args: readonly string[]): CreateArguments {
  const [size, label, description, pool, isASnapshot, time, snapshotOf, readOnly] = args
  return {
    size: parseSize(size),
    nameLabel: label ?? '',
    nameDescription: description ?? '',
    metadataOfPool: pool ?? '',
    isASnapshot: parseBoolean(isASnapshot ?? 'false', 'is_a_snapshot'),
    snapshotTime: time ?? '19700101T00:00:00Z',
    snapshotOf: snapshotOf ?? '',
    readOnly: parseBoolean(readOnly ?? 'false', 'read_only'),
  }
}

/** Whether vdi_attach and vdi_activate are asked for write access. Throws InvalidArg (1). */
export function parseWritable(args: readonly string[]): boolean {
  return parseBoolean(args[0], 'writable')
}

/**
 * Checks the positional arguments of a command against its row. Throws InvalidArg (1) naming the argument that is
 * missing or malformed. More arguments than the row has are ignored, as unknown members are.
 */
export function checkArguments(rows: readonly ArgumentRow[], args: readonly string[]): void {
  for (const [index, row] of rows.entries()) {
    const text = args[index]
    if (text !== undefined) row.check(text, row.name)
    else if (row.required) throw new SmError('InvalidArg', `${row.name}: missing`)
  }
}

export const sizeArgument: ArgumentRow = { name: 'size', required: true, check: parseSize }

export const writableArgument: ArgumentRow = { name: 'writable', required: true, check: parseBoolean }

/** A reference or a uuid of another VDI; which of them is acceptable is for the driver to say. */
export function vdiArgument(name: string): ArgumentRow {
  return {
    name,
    required: true,
    check: text => {
      if (text === '') throw new SmError('InvalidArg', `${name}: empty`)
    },
  }
}

export const createArguments: readonly ArgumentRow[] = [
  sizeArgument,
  optional('name_label', () => undefined),
  optional('name_description', () => undefined),
  optional('metadata_of_pool', checkToken),
  optional('is_a_snapshot', parseBoolean),
  optional('snapshot_time', checkToken),
  optional('snapshot_of', checkToken),
  optional('read_only', parseBoolean),
]

function optional(name: string, check: ArgumentRow['check']): ArgumentRow {
  return { name, required: false, check }
}

function checkToken(text: string, name: string): void {
  if (!/^[\w:.+-]{0,100}$/.test(text)) throw new SmError('InvalidArg', `${name}: malformed`)
}
