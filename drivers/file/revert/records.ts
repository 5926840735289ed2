import { inspectVhd, type VhdIdentity } from '../../../lib/vhd/inspect.ts'
import type { VdiRecord } from '../../../lib/xapi/SmXapi.ts'
import type { Ref } from '../../../lib/xapi/XapiClient.ts'
import { introduce, mergeSmConfig } from '../../records.ts'
import type { FileFamilySR } from '../FileFamilySR.ts'
import { uuidOfVhd, vhdName } from '../layout.ts'
import { refOf } from '../snapshot/recovery.ts'

/** The disks a revert concerned; `base` is the hidden parent they share now. */
export interface RevertedDisks {
  readonly snapshot: string
  readonly target: string
}

const CONTENT_ID = 'content_id'

/**
 * Brings the records of a committed revert in line with the disk (spec smapi 8.4, file-sr 22.3 step 14): the target
 * follows the snapshot, the shared base is unmanaged, the snapshot knows its parent. Every item is tried, idempotent and
 * independent of the others. True where all worked; what did not is logged and left to recovery.
 */
export async function correctRecords(sr: FileFamilySR, disks: RevertedDisks): Promise<boolean> {
  const steps = [() => correctBase(sr, disks), () => correctSnapshot(sr, disks), () => correctTarget(sr, disks)]
  let all = true
  for (const step of steps) {
    try {
      await step()
    } catch (error) {
      all = false
      sr.context.log.error(`a record of the reverted VDI ${disks.target} is left to the next scan: ${String(error)}`)
    }
  }
  return all
}

/** Until the new content has its own identity, none is true whatever happens. */
export async function dropContentId(sr: FileFamilySR, target: Ref): Promise<void> {
  await sr.context.xapi.vdiRemoveFromOtherConfig(target, CONTENT_ID)
}

async function correctTarget(sr: FileFamilySR, { snapshot, target }: RevertedDisks): Promise<void> {
  const { xapi } = sr.context
  const [image, size, ref] = await Promise.all([inspect(sr, target), sizeOf(sr, target), refOf(sr, target)])
  const snapshotRef = await refOf(sr, snapshot)
  if (ref === undefined || snapshotRef === undefined) return
  const [record, source] = [await xapi.vdiGetRecord(ref), await xapi.vdiGetRecord(snapshotRef)]
  if (record.virtual_size !== image.virtualSize) await xapi.vdiSetVirtualSize(ref, image.virtualSize)
  if (record.physical_utilisation !== size) await xapi.vdiSetPhysicalUtilisation(ref, size)
  const smConfig = { 'vhd-parent': parentOf(image), key_hash: source.sm_config['key_hash'] }
  const type = 'vdi_type' in record.sm_config ? { vdi_type: 'vhd' } : {}
  await mergeSmConfig(xapi, ref, { ...smConfig, ...type }, { removeSticky: true })
  if ('vhd-blocks' in record.sm_config) await xapi.vdiRemoveFromSmConfig(ref, 'vhd-blocks')
  if ('relinking' in record.sm_config) await xapi.vdiRemoveFromSmConfig(ref, 'relinking')
  await copyContentId(sr, { from: source, to: record, ref })
}

async function copyContentId(sr: FileFamilySR, copy: { from: VdiRecord; to: VdiRecord; ref: Ref }): Promise<void> {
  const { xapi } = sr.context
  const wanted = copy.from.other_config[CONTENT_ID]
  const present = copy.to.other_config[CONTENT_ID]
  if (wanted === present) return
  if (present !== undefined) await xapi.vdiRemoveFromOtherConfig(copy.ref, CONTENT_ID)
  if (wanted !== undefined) await xapi.vdiAddToOtherConfig(copy.ref, CONTENT_ID, wanted)
}

async function correctSnapshot(sr: FileFamilySR, { snapshot }: RevertedDisks): Promise<void> {
  const { xapi } = sr.context
  const ref = await refOf(sr, snapshot)
  if (ref === undefined) return
  const [image, size, record] = [await inspect(sr, snapshot), await sizeOf(sr, snapshot), await xapi.vdiGetRecord(ref)]
  if (record.physical_utilisation !== size) await xapi.vdiSetPhysicalUtilisation(ref, size)
  await mergeSmConfig(xapi, ref, { 'vhd-parent': parentOf(image) })
}

/** The base of target and snapshot: introduced if it is new, unmanaged and read-only in any case. */
async function correctBase(sr: FileFamilySR, { target }: RevertedDisks): Promise<void> {
  const { xapi } = sr.context
  const uuid = parentOf(await inspect(sr, target))
  if (uuid === undefined) return
  const ref = await refOf(sr, uuid)
  if (ref === undefined) {
    await introduceBase(sr, uuid)
    return
  }
  const record = await xapi.vdiGetRecord(ref)
  if (record.managed) await xapi.vdiSetManaged(ref, false)
  if (!record.read_only) await xapi.vdiSetReadOnly(ref, true)
}

async function introduceBase(sr: FileFamilySR, uuid: string): Promise<void> {
  const image = await inspect(sr, uuid)
  await introduce(sr.context.xapi, await sr.srRef(), {
    uuid,
    label: 'base copy',
    type: 'user',
    virtualSize: image.virtualSize,
    physicalUtilisation: await sizeOf(sr, uuid),
    readOnly: true,
    managed: false,
    cbtEnabled: false,
    smConfig: { 'vhd-parent': parentOf(image) },
  })
}

function parentOf(image: VhdIdentity): string | undefined {
  return image.parentName === undefined ? undefined : uuidOfVhd(image.parentName)
}

function inspect(sr: FileFamilySR, uuid: string): Promise<VhdIdentity> {
  return inspectVhd(sr.context.system.files, sr.file(vhdName(uuid)), { backupFooter: true })
}

async function sizeOf(sr: FileFamilySR, uuid: string): Promise<number> {
  return (await sr.context.system.files.stat(sr.file(vhdName(uuid)))).size
}
