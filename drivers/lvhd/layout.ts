/** Names of volumes that are this driver's own, or that it only knows to leave alone. Pure. */

/** Images in a chain, the root included. */
export const MAX_CHAIN_DEPTH = 30

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
/** A disk of another storage manager's format; not ours to touch or to forget (spec lvhd 23). */
const UNKNOWN_FORMAT = new RegExp(`^(?!VHD-|LV-)([A-Z0-9]+)-(${UUID})$`)
const UUID_AT_END = new RegExp(`${UUID}$`)
const UNFINISHED = new RegExp(`^new-${UUID}$`)

/**
 * A disk that is being built. Without the prefix of a disk and without a tag, a scan by whichever storage manager passes
 * it over (spec lvhd 34).
 */
export function unfinishedVolume(uuid: string): string {
  return `new-${uuid}`
}

export function isUnfinished(volume: string): boolean {
  return UNFINISHED.test(volume)
}

/** Format and uuid of a disk whose format this driver does not know, undefined for any other volume. */
export function parseUnknownDisk(volume: string): { format: string; uuid: string } | undefined {
  const [, format, uuid] = UNKNOWN_FORMAT.exec(volume) ?? []
  return format === undefined || uuid === undefined ? undefined : { format, uuid }
}

/**
 * Disks that must not be forgotten, with their entries, though no disk of this driver's formats is there: something of
 * theirs is, whatever it is called (spec lvhd 23).
 */
export function disksOfUnknownFormat(volumes: Iterable<string>): Set<string> {
  const uuids = [...volumes].flatMap(name => (isUnfinished(name) ? [] : (UUID_AT_END.exec(name)?.[0] ?? [])))
  return new Set(uuids)
}

/** A leaf that the garbage collector is replacing; for a scan it is not there (spec lvhd 18). */
export function isReplacedLeaf(uuid: string): boolean {
  return uuid.startsWith('OLD_')
}
