import { SmError } from '../smapi/SmError.ts'
import { cutText, element, escapeText, parseElements } from './flatXml.ts'

/** What the metadata volume says of the SR (spec lvhd 9.1). */
export interface MetadataSr {
  readonly uuid: string
  readonly allocation: string
  readonly nameLabel: string
  readonly nameDescription: string
}

/** What it says of a VDI. */
export interface MetadataVdi {
  readonly uuid: string
  readonly nameLabel: string
  readonly nameDescription: string
  readonly isASnapshot: boolean
  /** Uuid of the origin, or empty. */
  readonly snapshotOf: string
  /** XML-RPC dateTime text, or empty. */
  readonly snapshotTime: string
  /** `user`, `system`, `metadata`, … */
  readonly type: string
  /** `vhd` or `aio`. */
  readonly vdiType: string
  readonly readOnly: boolean
  readonly managed: boolean
  readonly metadataOfPool: string
}

/** An entry of a VDI, as it is on disk. */
export type MetadataEntry =
  { readonly state: 'live' | 'deleted'; readonly vdi: MetadataVdi } | { readonly state: 'broken' }

const SECTOR = 512
const HEADER_FORM = /^XSSM:(\d+) *:[^:]*:[^:]*$/
const XML_START = '<?xml version="1.0" ?>'
/** `<vdi>` and the tags of label and description fill the rest of an entry's first sector. */
const ROOM_FOR_NAMES = 445
/** Where label and description do not fit together, neither is longer than this, bytes. */
const HALF_ROOM = 222

/** Where the entries begin; an SR without VDIs is so long, bytes. */
export const ENTRIES_START = 4 * SECTOR
export const ENTRY_SIZE = 2 * SECTOR
export const HEADER_SIZE = SECTOR
/** The sectors of the SR's label and description: updated together. */
export const NAMES_START = 2 * SECTOR

/** Sector 0. `length` counts all bytes in use. */
export function encodeHeader(length: number): Buffer {
  return sector(`XSSM:${String(length).padEnd(10)}:1:2`)
}

/** Bytes in use. @throws SmError MetadataError (181) for anything that is no header */
export function decodeHeader(bytes: Buffer): number {
  const text = decodeText(bytes)
  if (text === '') throw new SmError('MetadataError', 'Empty header')
  const length = Number(HEADER_FORM.exec(text)?.[1] ?? Number.NaN)
  if (!(length >= ENTRIES_START)) throw new SmError('MetadataError', 'Bad header')
  return length
}

/** Whether no header was ever written: the volume was made and then nothing. */
export function isBlank(header: Buffer): boolean {
  return decodeText(header) === ''
}

/** Sectors 1 to 3. @throws SmError MetadataError (181) */
export function encodeSr(sr: MetadataSr): Buffer {
  const identity = XML_START + element('uuid', sr.uuid) + element('allocation', sr.allocation)
  return Buffer.concat([sector(identity), encodeSrNames(sr)])
}

/** Sectors 2 and 3: what does not fit is cut. */
export function encodeSrNames({
  nameLabel,
  nameDescription,
}: Pick<MetadataSr, 'nameLabel' | 'nameDescription'>): Buffer {
  return Buffer.concat([cutElement('name_label', nameLabel), cutElement('name_description', nameDescription)])
}

/** From sectors 1 to 3. @throws SmError MetadataError (181) where they cannot be understood */
export function decodeSr(bytes: Buffer): MetadataSr {
  const elements = parseElements(decodeText(bytes).replace(XML_START, ''))
  const uuid = elements?.get('uuid')
  if (elements === undefined || uuid === undefined) throw new SmError('MetadataError', 'SR information is damaged')
  return {
    uuid,
    allocation: elements.get('allocation') ?? '',
    nameLabel: elements.get('name_label') ?? '',
    nameDescription: elements.get('name_description') ?? '',
  }
}

/**
 * The two sectors of a VDI. Names that do not fit are cut. `offset`: where the entry is, for one that is written over
 * another, which the reference notes. @throws SmError MetadataError (181) where the rest does not fit
 */
export function encodeEntry(vdi: MetadataVdi, options: { deleted?: boolean; offset?: number } = {}): Buffer {
  const [label, description] = fitNames(escapeText(vdi.nameLabel), escapeText(vdi.nameDescription))
  const facts: readonly (readonly [string, string])[] = [
    ['uuid', vdi.uuid],
    ['is_a_snapshot', flag(vdi.isASnapshot)],
    ['snapshot_of', vdi.snapshotOf],
    ['snapshot_time', vdi.snapshotTime],
    ['type', vdi.type],
    ['vdi_type', vdi.vdiType],
    ['read_only', flag(vdi.readOnly)],
    ['managed', flag(vdi.managed)],
    ['metadata_of_pool', vdi.metadataOfPool],
    ['deleted', flag(options.deleted === true)],
    ...(options.offset === undefined ? [] : ([['offset', String(options.offset)]] as const)),
  ]
  const body = facts.map(([name, text]) => element(name, escapeText(text))).join('')
  const names = element('name_label', label) + element('name_description', description)
  return Buffer.concat([sector(`<vdi>${names}`), sector(`${body}</vdi>`)])
}

/** An entry that cannot be understood is broken; the others do not depend on it. */
export function decodeEntry(bytes: Buffer): MetadataEntry {
  const [, content] = /^\s*<vdi>(.*)<\/vdi>\s*$/s.exec(decodeText(bytes)) ?? []
  const elements = content === undefined ? undefined : parseElements(content)
  const uuid = elements?.get('uuid') ?? ''
  if (elements === undefined || uuid === '') return { state: 'broken' }
  const text = (name: string): string => elements.get(name) ?? ''
  const isSet = (name: string): boolean => text(name) === '1'
  const vdi: MetadataVdi = {
    uuid,
    nameLabel: text('name_label'),
    nameDescription: text('name_description'),
    isASnapshot: isSet('is_a_snapshot'),
    snapshotOf: text('snapshot_of'),
    snapshotTime: text('snapshot_time'),
    type: text('type'),
    vdiType: text('vdi_type'),
    readOnly: isSet('read_only'),
    managed: isSet('managed'),
    metadataOfPool: text('metadata_of_pool'),
  }
  return { state: isSet('deleted') ? 'deleted' : 'live', vdi }
}

function fitNames(label: string, description: string): [string, string] {
  const length = Buffer.byteLength(label) + Buffer.byteLength(description)
  return length <= ROOM_FOR_NAMES ? [label, description] : [cutText(label, HALF_ROOM), cutText(description, HALF_ROOM)]
}

function cutElement(name: string, text: string): Buffer {
  return sector(element(name, cutText(escapeText(text), SECTOR - element(name, '').length)))
}

/** Padded with blanks. */
function sector(text: string): Buffer {
  const length = Buffer.byteLength(text)
  if (length > SECTOR) throw new SmError('MetadataError', `${length} bytes of metadata for one sector`)
  const bytes = Buffer.alloc(SECTOR, ' ')
  bytes.write(text)
  return bytes
}

function decodeText(bytes: Buffer): string {
  return bytes.toString('utf8').replaceAll('\0', '').trim()
}

function flag(set: boolean): string {
  return set ? '1' : '0'
}
