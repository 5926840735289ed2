import { JournalFile } from '../../../lib/journal/JournalFile.ts'
import type { FileFamilySR } from '../FileFamilySR.ts'
import { isUuid, snapshotJournalName } from '../layout.ts'

/**
 * What is known of a snapshot or clone in progress. Until `committed` recovery takes everything back, afterwards it only
 * resumes the disk.
 */
export interface SnapshotRecord {
  readonly version: 1
  readonly state: 'started' | 'committed'
  /** Uuid of the disk. */
  readonly vdi: string
  /** Uuid the base copy gets. */
  readonly base: string
  /** Footer uuid of the disk's image before, the base copy's afterwards. */
  readonly baseVhd: string
  /** Uuid of the snapshot or clone; absent for the kinds that make none. */
  readonly destination?: string
  /** For people who look at a leftover. */
  readonly created: string
}

export function snapshotJournal(sr: FileFamilySR, vdi: string): JournalFile<SnapshotRecord> {
  return new JournalFile(sr.context.system.files, sr.file(snapshotJournalName(vdi)), value => parse(value, vdi))
}

function parse(value: unknown, vdi: string): SnapshotRecord | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const record = value as Partial<Record<keyof SnapshotRecord, unknown>>
  const { version, state, base, baseVhd, destination, created } = record
  if (version !== 1 || (state !== 'started' && state !== 'committed')) return undefined
  if (record.vdi !== vdi || typeof base !== 'string' || !isUuid(base) || base === vdi) return undefined
  if (typeof baseVhd !== 'string' || !isUuid(baseVhd)) return undefined
  if (destination !== undefined && (typeof destination !== 'string' || !isUuid(destination))) return undefined
  return {
    version,
    state,
    vdi,
    base,
    baseVhd,
    created: typeof created === 'string' ? created : '',
    ...(destination === undefined ? {} : { destination }),
  }
}
