import type { MetadataVdi } from '../../lib/lvhd/metadata.ts'
import { kindOf, METADATA_VOLUME } from '../../lib/lvhd/names.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import { epoch, nullRef, type VdiRecord } from '../../lib/xapi/SmXapi.ts'
import type { LogicalVolume } from '../../lib/lvm/report.ts'
import type { Ref } from '../../lib/xapi/XapiClient.ts'
import { disksOfUnknownFormat } from './layout.ts'
import type { LvhdFamilySR } from './LvhdFamilySR.ts'

/** Makes the metadata volume where there is none, from the database (spec lvhd 9.3). @throws SmError MetadataError */
export async function ensureMetadata(sr: LvhdFamilySR): Promise<void> {
  if (await sr.metadata.exists()) return
  const { xapi } = sr.context
  const srRef = await sr.srRef()
  const [record, records] = [await xapi.srGetRecord(srRef), await xapi.vdiRecordsOfSr(srRef)]
  const names = { nameLabel: record.name_label, nameDescription: record.name_description }
  const allocation = await sr.allocation()
  const vdis = [...records.values()].map(vdi => metadataOf(vdi, records))
  await sr.metadata.create({ uuid: sr.uuid, allocation, ...names }, vdis).catch((error: unknown) => {
    if (error instanceof SmError) throw error
    throw new SmError('MetadataError', error instanceof Error ? error.message : String(error), { cause: error })
  })
  await setSrConfig(sr, { allocation, use_vhd: 'true' })
}

/**
 * At each attach on the master: the SR's allocation follows the metadata volume, its entries follow the volumes, and all
 * names follow the database (spec lvhd 9.3). A failure is logged: the SR can be used all the same.
 */
export async function synchroniseMetadata(sr: LvhdFamilySR): Promise<void> {
  try {
    // As long as the SR is attached the reference expects it mapped.
    await sr.group.activate([METADATA_VOLUME])
    const { sr: stored, vdis } = await sr.metadata.read()
    await setSrConfig(sr, { allocation: stored.allocation, use_vhd: 'true' })
    const [types, kept] = [await typesOfDisks(sr), await keptWithoutDisk(sr)]
    for (const [uuid, entry] of vdis) {
      const type = types.get(uuid)
      if (kept.has(uuid)) continue
      if (type === undefined) await sr.metadata.delete(uuid)
      else if (type !== entry.vdiType) await sr.metadata.update(uuid, { vdiType: type })
    }
    await updateMetadataOfSr(sr)
    await followNames(sr)
  } catch (error) {
    sr.context.log.error(`the metadata volume of SR ${sr.uuid} is not brought up to date: ${String(error)}`)
  }
}

/** The SR's label and description follow the database. @throws SmError MetadataError */
export async function updateMetadataOfSr(sr: LvhdFamilySR): Promise<void> {
  const { name_label: nameLabel, name_description: nameDescription } = await sr.context.xapi.srGetRecord(
    await sr.srRef(),
  )
  const { sr: stored } = await sr.metadata.read()
  if (stored.nameLabel === nameLabel && stored.nameDescription === nameDescription) return
  await sr.metadata.updateSr({ nameLabel, nameDescription })
}

/**
 * What the metadata volume says of a disk with this record; `records`: to find what it is a snapshot of. A time or a pool
 * that is not set is written as the database has it, as the reference does where it copies a record.
 */
export function metadataOf(record: VdiRecord, records: ReadonlyMap<Ref, VdiRecord>): MetadataVdi {
  return {
    uuid: record.uuid,
    nameLabel: record.name_label,
    nameDescription: record.name_description,
    isASnapshot: record.is_a_snapshot,
    snapshotOf: records.get(record.snapshot_of)?.uuid ?? '',
    snapshotTime: record.snapshot_time,
    type: record.type,
    vdiType: record.sm_config['vdi_type'] ?? 'vhd',
    readOnly: record.read_only,
    managed: record.managed,
    metadataOfPool: record.metadata_of_pool,
  }
}

/** The same without a time and a pool that are not set: what the reference writes of a disk that it has just made. */
export function metadataOfNew(record: VdiRecord): MetadataVdi {
  const entry = metadataOf(record, new Map())
  return {
    ...entry,
    snapshotTime: entry.snapshotTime === epoch ? '' : entry.snapshotTime,
    metadataOfPool: entry.metadataOfPool === nullRef ? '' : entry.metadataOfPool,
  }
}

/**
 * Disks whose records and entries stay as they are though no disk of theirs may be found: its format is not known, or an
 * operation that was interrupted has it under another name.
 */
export async function keptWithoutDisk(sr: LvhdFamilySR): Promise<Set<string>> {
  const { volumes } = await sr.group.report()
  const unknown = [...volumes.values()].filter(volume => !isOfKnownFormat(volume)).map(({ name }) => name)
  return new Set([...disksOfUnknownFormat(unknown), ...(await sr.journals.concerned()).uuids])
}

function isOfKnownFormat(volume: LogicalVolume): boolean {
  const { kind } = kindOf(volume)
  return kind === 'vhd' || kind === 'aio'
}

/** Sets keys of the SR's sm_config and leaves all others as they are. */
async function setSrConfig(sr: LvhdFamilySR, wanted: Readonly<Record<string, string>>): Promise<void> {
  const { xapi } = sr.context
  const ref = await sr.srRef()
  const present = await xapi.srGetSmConfig(ref)
  if (Object.entries(wanted).every(([key, value]) => present[key] === value)) return
  await xapi.srSetSmConfig(ref, { ...present, ...wanted })
}

async function typesOfDisks(sr: LvhdFamilySR): Promise<Map<string, string>> {
  const types = new Map<string, string>()
  for (const volume of (await sr.group.report()).volumes.values()) {
    const kind = kindOf(volume)
    if (kind.kind === 'vhd' || kind.kind === 'aio') types.set(kind.uuid, kind.kind)
  }
  return types
}

async function followNames(sr: LvhdFamilySR): Promise<void> {
  const { vdis } = await sr.metadata.read()
  for (const record of (await sr.context.xapi.vdiRecordsOfSr(await sr.srRef())).values()) {
    const entry = vdis.get(record.uuid)
    const { name_label: nameLabel, name_description: nameDescription } = record
    if (entry === undefined) continue
    if (entry.nameLabel !== nameLabel || entry.nameDescription !== nameDescription) {
      await sr.metadata.update(record.uuid, { nameLabel, nameDescription })
    }
  }
}
