import type { MetadataVolume } from '../../../lib/lvhd/MetadataVolume.ts'
import type { VdiRecord } from '../../../lib/xapi/SmXapi.ts'
import { isSmError } from '../../../lib/smapi/SmError.ts'
import type { Ref } from '../../../lib/xapi/XapiClient.ts'
import { findVdi, introduce, mergeSmConfig } from '../../records.ts'
import type { Disk } from '../disks.ts'
import type { LvhdFamilySR } from '../LvhdFamilySR.ts'
import { metadataOfNew } from '../metadata.ts'

/** What a snapshot made, as records see it. */
export interface Branched {
  /** The disk, as it is now. */
  readonly disk: Disk
  /** The base copy; undefined where it is not kept. */
  readonly base: Disk | undefined
  readonly newLeaf: Disk | undefined
  /** The second leaf is a snapshot and no clone. */
  readonly isSnapshot: boolean
  /** What the metadata volume does not take is left to scans: a disk must not stay closed for want of a copy of records. */
  readonly toleratesMetadata?: boolean
}

/** Keys of the disk's sm_config that its leaves do not inherit (spec lvhd 15 step 14). */
const OWN_KEYS = /^(type|vdi_type|vhd-parent|paused|relinking|activating|host_.*)$/

/**
 * Introduces what a snapshot made, in database and metadata volume, and notes the disk's new parent. What is known already
 * is left as it is.
 * @throws SmError MetadataError; XapiError
 */
export async function introduceBranched(sr: LvhdFamilySR, ref: Ref, branched: Branched): Promise<void> {
  const { xapi } = sr.context
  const record = await xapi.vdiGetRecord(ref)
  const { disk, base, newLeaf } = branched
  if (newLeaf !== undefined) await introduceLeaf(sr, record, branched)
  if (base !== undefined) await introduceBase(sr, record, base, branched)
  await mergeSmConfig(xapi, ref, { vdi_type: disk.type, 'vhd-parent': disk.parent })
  if (record.physical_utilisation !== disk.volume.size) await xapi.vdiSetPhysicalUtilisation(ref, disk.volume.size)
  if (record.sm_config['vdi_type'] === disk.type) return
  await keepInMetadata(sr, branched, metadata => metadata.update(record.uuid, { vdiType: disk.type }))
}

async function introduceLeaf(sr: LvhdFamilySR, source: VdiRecord, branched: Branched): Promise<void> {
  const { xapi } = sr.context
  const { newLeaf, isSnapshot } = branched
  if (newLeaf === undefined) return
  if ((await findVdi(xapi, newLeaf.uuid)) === undefined) {
    const smConfig = { ...inheritedKeys(source), vdi_type: newLeaf.type, 'vhd-parent': newLeaf.parent }
    await introduce(xapi, await sr.srRef(), { ...scannedLike(source, newLeaf), smConfig })
  }
  const entry = {
    ...metadataOfNew(source),
    uuid: newLeaf.uuid,
    isASnapshot: isSnapshot,
    snapshotOf: isSnapshot ? source.uuid : '',
    snapshotTime: '',
    vdiType: newLeaf.type,
    readOnly: false,
    managed: true,
  }
  await keepInMetadata(sr, branched, metadata => metadata.add(entry))
}

/** A base copy: unmanaged and read-only. */
async function introduceBase(sr: LvhdFamilySR, source: VdiRecord, base: Disk, branched: Branched): Promise<void> {
  const { xapi } = sr.context
  if ((await findVdi(xapi, base.uuid)) === undefined) {
    await introduce(xapi, await sr.srRef(), {
      ...scannedLike(source, base),
      label: 'base copy',
      readOnly: true,
      managed: false,
      smConfig: { vdi_type: base.type, 'vhd-parent': base.parent },
    })
  }
  const entry = {
    ...metadataOfNew(source),
    uuid: base.uuid,
    nameLabel: 'base copy',
    nameDescription: '',
    isASnapshot: false,
    snapshotOf: '',
    snapshotTime: '',
    vdiType: base.type,
    readOnly: true,
    managed: false,
  }
  await keepInMetadata(sr, branched, metadata => metadata.add(entry))
}

async function keepInMetadata(
  sr: LvhdFamilySR,
  { disk, toleratesMetadata = false }: Branched,
  change: (metadata: MetadataVolume) => Promise<void>,
): Promise<void> {
  try {
    await change(sr.metadata)
  } catch (error) {
    if (!toleratesMetadata || !isSmError(error, 'MetadataError')) throw error
    sr.context.log.error(`VDI ${disk.uuid}: the metadata volume does not follow: ${error.message}`)
  }
}

function inheritedKeys(source: VdiRecord): Record<string, string> {
  return Object.fromEntries(Object.entries(source.sm_config).filter(([key]) => !OWN_KEYS.test(key)))
}

function scannedLike(source: VdiRecord, disk: Disk) {
  return {
    uuid: disk.uuid,
    type: source.type,
    virtualSize: disk.virtualSize,
    physicalUtilisation: disk.volume.size,
    readOnly: false,
    managed: true,
    cbtEnabled: false,
  }
}
