/** Names in the directory of a file SR (spec file-sr 4). Pure: no file is touched here. */

/** Images in a chain, the root included. */
export const MAX_CHAIN_DEPTH = 30

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
const TEMPORARY = new RegExp(`^${UUID}\\.(?:vhd\\.new|vhd\\.revert|raw\\.new)$`)
const REVERT_JOURNAL = new RegExp(`^revert_(${UUID})$`)
const SNAPSHOT_JOURNAL = new RegExp(`^snapshot_(${UUID})$`)
const JOURNAL_DRAFT = new RegExp(`^(?:revert|snapshot)_${UUID}\\.new$`)
const RESIZE_JOURNAL = new RegExp(`^\\.journal-(${UUID})$`)
const KNOWN_EXTENSIONS = new Set(['vhd', 'raw', 'cbtlog', 'vhdcache'])
const UUID_NAME = new RegExp(`^(${UUID})\\.([^.]+)$`)

export function isUuid(text: string): boolean {
  return new RegExp(`^${UUID}$`).test(text)
}

export const vhdName = (uuid: string): string => `${uuid}.vhd`
export const rawName = (uuid: string): string => `${uuid}.raw`
export const cbtLogName = (uuid: string): string => `${uuid}.cbtlog`
/** A VHD that is being built and not yet part of the SR; no scan sees it. */
export const newVhdName = (uuid: string): string => `${uuid}.vhd.new`
export const revertVhdName = (uuid: string): string => `${uuid}.vhd.revert`
export const revertJournalName = (targetUuid: string): string => `revert_${targetUuid}`
export const snapshotJournalName = (uuid: string): string => `snapshot_${uuid}`
export const resizeJournalName = (uuid: string): string => `.journal-${uuid}`

/** The uuid part of a VHD's file name, as scans take it: whatever stands before `.vhd`. */
export function uuidOfVhd(name: string): string {
  return name.slice(0, -'.vhd'.length)
}

/** What interrupted operations left in a directory. */
export interface Leftovers {
  /** Uuids of targets with a pending revert. */
  readonly reverts: readonly string[]
  /** Uuids of disks with a pending snapshot or clone. */
  readonly snapshots: readonly string[]
  /** Uuids of disks with a pending offline resize. */
  readonly resizes: readonly string[]
  /** Files of unfinished steps that nothing refers to once no journal is left. */
  readonly temporaries: readonly string[]
}

export function findLeftovers(names: readonly string[]): Leftovers {
  const matches = (pattern: RegExp) => names.flatMap(name => pattern.exec(name)?.[1] ?? [])
  return {
    reverts: matches(REVERT_JOURNAL),
    snapshots: matches(SNAPSHOT_JOURNAL),
    resizes: matches(RESIZE_JOURNAL),
    temporaries: names.filter(name => TEMPORARY.test(name) || JOURNAL_DRAFT.test(name)),
  }
}

const COLLECTOR_JOURNAL = new RegExp(`^(leaf|relink|coalesce)_(${UUID})$`)
const REPLACED_LEAF = new RegExp(`^OLD_(${UUID})\\.vhd$`)

/** Disks that an interrupted garbage collector left in the middle of something (spec gc 9, 10). */
export interface CollectorLeftovers {
  /** Uuids with a journal of any kind. */
  readonly journals: ReadonlySet<string>
  /** Uuids whose image may be under another name at present. */
  readonly leaves: ReadonlySet<string>
}

export function findCollectorLeftovers(names: readonly string[]): CollectorLeftovers {
  const journals = new Set<string>()
  const leaves = new Set<string>()
  for (const name of names) {
    const [, kind, uuid] = COLLECTOR_JOURNAL.exec(name) ?? []
    if (uuid !== undefined) journals.add(uuid)
    const replaced = kind === 'leaf' ? uuid : REPLACED_LEAF.exec(name)?.[1]
    if (replaced !== undefined) leaves.add(replaced)
  }
  return { journals, leaves }
}

/** Uuids that have a data file of a format this driver does not know: their records are left alone (spec file-sr 7.3). */
export function uuidsOfUnknownFormat(names: readonly string[]): Set<string> {
  const found = new Set<string>()
  for (const name of names) {
    const match = UUID_NAME.exec(name)
    if (match?.[1] !== undefined && match[2] !== undefined && !KNOWN_EXTENSIONS.has(match[2])) found.add(match[1])
  }
  return found
}

/** Extensions of files named after a VDI that no command of this driver may replace or shadow. */
export function unknownFormatOf(names: readonly string[], uuid: string): string | undefined {
  for (const name of names) {
    const match = UUID_NAME.exec(name)
    if (match?.[1] === uuid && match[2] !== undefined && !KNOWN_EXTENSIONS.has(match[2])) return match[2]
  }
  return undefined
}
