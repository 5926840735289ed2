import { JournalFile } from '../../../lib/journal/JournalFile.ts'
import type { FileFamilySR } from '../FileFamilySR.ts'
import { isUuid, revertJournalName } from '../layout.ts'

/**
 * `pausing`: nothing but pause keys was changed. `started`: temporary images, and in a split the snapshot's image, may
 * have been made. `prepared`: the new image of the target is whole, its uuid is in `newTargetVhd`; whether it has taken
 * the target's name tells whether the revert is committed.
 */
export type RevertState = 'pausing' | 'started' | 'prepared'

/** What recovery needs to know of a revert in progress (spec file-sr 22.4, docs/formats.md). */
export interface RevertRecord {
  readonly version: 1
  readonly state: RevertState
  readonly snapshot: string
  readonly target: string
  /** Uuids of the VDIs this revert pauses. */
  readonly pausing: readonly string[]
  readonly mode?: 'relink' | 'split'
  /** Uuid of the base that a split makes; absent in a relink. */
  readonly base?: string
  /** Footer uuid of the snapshot's image before a split; the base's afterwards. */
  readonly oldSnapshotVhd?: string
  /** Uuid of a base copy that is found visible and gets hidden, in a relink. */
  readonly hides?: string
  /** Uuid of the snapshot's parent before a split. */
  readonly snapshotParent?: string
  /** Footer uuid of the target's new image, once it is whole. */
  readonly newTargetVhd?: string
  /** Footer uuid of the target's old image, where it could be read. */
  readonly oldTargetVhd?: string
  /** For people who look at a leftover: when and on which host it began. */
  readonly created: string
  readonly host: string
}

export function revertJournal(sr: FileFamilySR, target: string): JournalFile<RevertRecord> {
  return new JournalFile(sr.context.system.files, sr.file(revertJournalName(target)), value => parse(value, target))
}

const STATES: readonly unknown[] = ['pausing', 'started', 'prepared']
const UUIDS = ['base', 'hides', 'oldSnapshotVhd', 'snapshotParent', 'newTargetVhd', 'oldTargetVhd'] as const

function parse(value: unknown, target: string): RevertRecord | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const fields = value as Partial<Record<keyof RevertRecord, unknown>>
  const { version, state, snapshot, pausing, mode } = fields
  if (version !== 1 || !STATES.includes(state) || fields.target !== target) return undefined
  if (!isUuidText(snapshot) || snapshot === target) return undefined
  if (!Array.isArray(pausing) || !pausing.every(uuid => uuid === target || uuid === snapshot)) return undefined
  const uuids = parseUuids(fields)
  if (uuids === undefined || uuids.base === target || uuids.base === snapshot) return undefined
  if (uuids.base !== undefined && uuids.oldSnapshotVhd === undefined) return undefined
  return {
    version,
    state: state as RevertState,
    snapshot,
    target,
    pausing: pausing as string[],
    ...uuids,
    ...(mode === 'relink' || mode === 'split' ? { mode } : {}),
    created: typeof fields.created === 'string' ? fields.created : '',
    host: typeof fields.host === 'string' ? fields.host : '',
  }
}

/** The optional uuids of a record, undefined where one of them is none. */
function parseUuids(
  fields: Partial<Record<keyof RevertRecord, unknown>>,
): Partial<Record<(typeof UUIDS)[number], string>> | undefined {
  const found: Partial<Record<(typeof UUIDS)[number], string>> = {}
  for (const key of UUIDS) {
    const uuid = fields[key]
    if (uuid === undefined) continue
    if (!isUuidText(uuid)) return undefined
    found[key] = uuid
  }
  return found
}

function isUuidText(value: unknown): value is string {
  return typeof value === 'string' && isUuid(value)
}
