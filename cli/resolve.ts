import { printable, shortUuid } from './format/text.ts'
import { OperationError } from './failures.ts'
import type { Ref } from '../lib/xapi/XapiClient.ts'

/** An object that a user can name. */
export interface Candidate {
  readonly ref: Ref
  readonly uuid: string
  readonly nameLabel: string
  /** What tells objects of the same name apart, e.g. `snapshot, 2026-08-17 09:30:00 UTC`. */
  readonly detail: string
}

/** What kind of object is looked for, and where the user finds the names. */
export interface Kind {
  readonly noun: string
  readonly listCommand: string
}

const SHORTEST_PREFIX = 4
const MOST_LISTED = 8

/**
 * The one object that `text` names: by reference, uuid, name label, or a prefix of the uuid of at least 4 characters.
 * `preferred` settles a name that several objects have, e.g. a disk and its snapshots.
 * Throws OperationError, listing the candidates, where none or several are meant. An empty text means none: objects may
 * have no name, and must not be destroyed because of a variable that is not set.
 */
export function resolveName<C extends Candidate>(
  candidates: readonly C[],
  text: string,
  kind: Kind,
  preferred: (candidate: C) => boolean = () => true,
): C {
  if (text === '')
    throw new OperationError(`an empty name is no ${kind.noun}'s`, ['Is a variable of a script not set?'])
  const exact = candidates.find(({ ref, uuid }) => ref === text || uuid === text.toLowerCase())
  if (exact !== undefined) return exact
  const found = candidates.filter(candidate => isNamed(candidate, text))
  const [only, ...others] = found
  if (only === undefined) throw unknownName(candidates, text, kind)
  if (others.length === 0) return only
  const favoured = found.filter(preferred)
  const [favourite] = favoured
  if (favourite !== undefined && favoured.length === 1) return favourite
  throw ambiguous(favoured.length > 1 ? favoured : found, text, kind)
}

function isNamed({ uuid, nameLabel }: Candidate, text: string): boolean {
  return nameLabel === text || (text.length >= SHORTEST_PREFIX && uuid.startsWith(text.toLowerCase()))
}

function unknownName(candidates: readonly Candidate[], text: string, kind: Kind): OperationError {
  const wanted = text.toLowerCase()
  const similar = candidates.filter(({ nameLabel }) => wanted !== '' && nameLabel.toLowerCase().includes(wanted))
  const advice =
    similar.length === 0 ? [`See what there is: ${kind.listCommand}`] : ['Did you mean:', ...listed(similar)]
  return new OperationError(`there is no ${kind.noun} '${printable(text)}'`, advice)
}

function ambiguous(found: readonly Candidate[], text: string, { noun }: Kind): OperationError {
  const message = `'${printable(text)}' means more than one ${noun}`
  return new OperationError(message, ['Name it by its uuid, or the beginning of it:', ...listed(found)])
}

function listed(candidates: readonly Candidate[]): string[] {
  const shown = candidates.slice(0, MOST_LISTED).map(({ uuid, nameLabel, detail }) => {
    const text = `  ${uuid}  ${printable(nameLabel)}${detail === '' ? '' : `  (${printable(detail)})`}`
    return text
  })
  const hidden = candidates.length - shown.length
  return hidden > 0 ? [...shown, `  … and ${hidden} more`] : shown
}

/** `name (6f2b1c3d)`, for messages. */
export function nameOf({ nameLabel, uuid }: Pick<Candidate, 'nameLabel' | 'uuid'>): string {
  return nameLabel === '' ? uuid : `${printable(nameLabel)} (${shortUuid(uuid)})`
}
