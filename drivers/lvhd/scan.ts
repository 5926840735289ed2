import type { Concerned } from '../../lib/journal/VolumeJournals.ts'
import { kindOf } from '../../lib/lvhd/names.ts'
import type { MetadataVdi } from '../../lib/lvhd/metadata.ts'
import { nullRef, type VdiRecord } from '../../lib/xapi/SmXapi.ts'
import type { Ref } from '../../lib/xapi/XapiClient.ts'
import { isUuid } from '../../lib/smapi/members.ts'
import { findVdi, introduce, synchronise, type ScannedVdi } from '../records.ts'
import { writeStatistics } from '../statistics.ts'
import { readDisks, requireReadable, type Disk, type Disks } from './disks.ts'
import type { LvhdFamilySR } from './LvhdFamilySR.ts'
import { keptWithoutDisk, metadataOf } from './metadata.ts'

/**
 * sr_scan: statistics and records follow the volumes, and the metadata volume follows both (spec lvhd 18).
 * @throws SmError VDIUnavailable where a VHD cannot be read
 */
export async function scanSr(sr: LvhdFamilySR): Promise<void> {
  const { xapi, gc } = sr.context
  const disks = await readDisks(sr)
  const pending = await sr.journals.concerned()
  requireReadable(sr, disks, pending.uuids)
  const logs = await changeLogs(sr)
  const vdis = await withoutUnsettled(sr, scannedVdis(disks, logs), pending)
  const allocation = namedDisks(disks)
    .filter(disk => !disk.hidden)
    .reduce((sum, { volume }) => sum + volume.size, 0)
  await writeStatistics(sr, allocation, await sr.capacity())
  const srRef = await sr.srRef()
  const entries = (await sr.isLegacy()) ? undefined : (await sr.metadata.read()).vdis
  const recorded = new Set([...(await xapi.vdiRecordsOfSr(srRef)).values()].map(record => record.uuid))
  if (entries !== undefined) await introduceKnown(sr, vdis, { entries, recorded })
  const kept = new Set([...(await keptWithoutDisk(sr)), ...hiddenBelowUnreadable(disks)])
  await synchronise(xapi, srRef, vdis, uuid => kept.has(uuid))
  if (entries !== undefined) {
    const records = await xapi.vdiRecordsOfSr(srRef)
    await linkSnapshots(sr, records, entries)
    await followRecords(sr, vdis, { records, entries, kept, recorded })
  }
  await gc.kick(sr.uuid)
}

/** Without those that are named otherwise than by a uuid, as a leaf that is being replaced: the database takes no such name. */
function namedDisks({ disks }: Pick<Disks, 'disks'>): Disk[] {
  return [...disks.values()].filter(disk => isUuid(disk.uuid))
}

/** The VDIs that records are kept for: all but hidden leaves, which wait for the collector, and logs without a disk. */
function scannedVdis({ disks }: Disks, logs: ReadonlyMap<string, number>): ScannedVdi[] {
  const parents = new Set([...disks.values()].flatMap(disk => disk.parent ?? []))
  const shown = namedDisks({ disks }).filter(disk => !disk.hidden || parents.has(disk.uuid))
  const vdis = shown.map(disk => scannedVdi(disk, { isParent: parents.has(disk.uuid), hasLog: logs.has(disk.uuid) }))
  for (const [uuid, size] of logs) if (!disks.has(uuid)) vdis.push(logOnlyVdi(uuid, size))
  return vdis
}

/** What the record of a disk should say. */
export function scannedVdi(disk: Disk, facts: { readonly isParent: boolean; readonly hasLog: boolean }): ScannedVdi {
  return {
    uuid: disk.uuid,
    type: 'user',
    virtualSize: disk.virtualSize,
    physicalUtilisation: disk.volume.size,
    readOnly: facts.isParent,
    managed: !disk.hidden,
    cbtEnabled: facts.hasLog,
    smConfig: { vdi_type: disk.type, 'vhd-parent': disk.parent, key_hash: disk.keyHash },
  }
}

function logOnlyVdi(uuid: string, size: number): ScannedVdi {
  return {
    uuid,
    type: 'cbt_metadata',
    virtualSize: size,
    physicalUtilisation: size,
    readOnly: false,
    managed: true,
    cbtEnabled: true,
    smConfig: {},
  }
}

/** Uuid and size of each change log. */
async function changeLogs(sr: LvhdFamilySR): Promise<Map<string, number>> {
  const logs = new Map<string, number>()
  for (const volume of (await sr.group.report()).volumes.values()) {
    const kind = kindOf(volume)
    if (kind.kind === 'cbtLog') logs.set(kind.uuid, volume.size)
  }
  return logs
}

/**
 * What an operation that is not settled has made is no disk of its own: it may be the content of another, under the name of
 * a base. Where it is not known what there is, nothing new is introduced.
 */
async function withoutUnsettled(
  sr: LvhdFamilySR,
  vdis: readonly ScannedVdi[],
  { uuids, isComplete }: Concerned,
): Promise<ScannedVdi[]> {
  if (uuids.size === 0 && isComplete) return [...vdis]
  const records = await sr.context.xapi.vdiRecordsOfSr(await sr.srRef())
  const known = new Set([...records.values()].map(record => record.uuid))
  return vdis.filter(({ uuid }) => {
    const isShown = known.has(uuid) || (isComplete && !uuids.has(uuid))
    if (!isShown) sr.context.log.error(`${uuid} is not introduced: an interrupted operation is not settled`)
    return isShown
  })
}

/** Who the parent of an unreadable disk is cannot be told: what is hidden may be. */
function hiddenBelowUnreadable({ disks, unreadable }: Disks): string[] {
  if (unreadable.length === 0) return []
  return [...disks.values()].flatMap(({ uuid, hidden }) => (hidden ? uuid : []))
}

/** Disks that the database has lost, but not the metadata volume, get their names and snapshot marks back. */
async function introduceKnown(
  sr: LvhdFamilySR,
  vdis: readonly ScannedVdi[],
  { entries, recorded }: Pick<Known, 'entries' | 'recorded'>,
): Promise<void> {
  const { xapi } = sr.context
  const srRef = await sr.srRef()
  for (const vdi of vdis) {
    const entry = entries.get(vdi.uuid)
    if (entry === undefined || recorded.has(vdi.uuid)) continue
    const { nameLabel, nameDescription, type, readOnly, isASnapshot, snapshotTime, metadataOfPool } = entry
    const ref = await introduce(
      xapi,
      srRef,
      { ...vdi, label: nameLabel, type, readOnly: readOnly || vdi.readOnly },
      {
        name_description: nameDescription,
        is_a_snapshot: isASnapshot,
        ...(snapshotTime === '' ? {} : { snapshot_time: snapshotTime }),
        ...(['', nullRef].includes(metadataOfPool) ? {} : { metadata_of_pool: metadataOfPool }),
      },
    )
    sr.context.log.info(`VDI ${vdi.uuid} is known again as ${ref}`)
  }
}

/** Sets what each snapshot is one of, where the database does not know. */
async function linkSnapshots(
  sr: LvhdFamilySR,
  records: ReadonlyMap<Ref, VdiRecord>,
  entries: ReadonlyMap<string, MetadataVdi>,
): Promise<void> {
  const { xapi } = sr.context
  for (const [ref, record] of records) {
    const origin = entries.get(record.uuid)?.snapshotOf ?? ''
    if (!record.is_a_snapshot || origin === '' || records.has(record.snapshot_of)) continue
    const originRef = await findVdi(xapi, origin)
    if (originRef !== undefined) await xapi.vdiSetSnapshotOf(ref, originRef)
  }
}

interface Known {
  readonly records: ReadonlyMap<Ref, VdiRecord>
  readonly entries: ReadonlyMap<string, MetadataVdi>
  /** Whose entries stay in any case. */
  readonly kept: ReadonlySet<string>
  /** Uuids of the disks that the database knew before the scan. */
  readonly recorded: ReadonlySet<string>
}

/**
 * Entries of disks that are gone go too; a disk without an entry gets one, as far as there is room. One that this scan has
 * found waits for the next: whoever made it may be about to name it.
 */
async function followRecords(
  sr: LvhdFamilySR,
  vdis: readonly ScannedVdi[],
  { records, entries, kept, recorded }: Known,
): Promise<void> {
  const onStorage = new Set(vdis.map(vdi => vdi.uuid))
  for (const uuid of entries.keys()) if (!onStorage.has(uuid) && !kept.has(uuid)) await sr.metadata.delete(uuid)
  for (const record of records.values()) {
    if (entries.has(record.uuid) || !recorded.has(record.uuid)) continue
    if (!onStorage.has(record.uuid) || record.type === 'cbt_metadata') continue
    if (await sr.metadata.hasRoom()) await sr.metadata.add(metadataOf(record, records))
    else sr.context.log.warn(`the metadata volume of SR ${sr.uuid} has no room for VDI ${record.uuid}`)
  }
}
