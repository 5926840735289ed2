import type { VdiRecord } from '../../../lib/xapi/SmXapi.ts'
import type { Ref } from '../../../lib/xapi/XapiClient.ts'
import { mergeSmConfig } from '../../records.ts'
import type { FileFamilySR } from '../FileFamilySR.ts'
import { correctBase, correctLeaf, fileSize, inspectDisk, parentUuidOf, refOf } from '../records.ts'

/** The disks a revert concerned. */
export interface RevertedDisks {
  readonly snapshot: string
  readonly target: string
}

const CONTENT_ID = 'content_id'

/**
 * Brings the records of a committed revert in line with the disk (spec smapi 8.4, file-sr 22.3 step 14): the target
 * follows the snapshot, the base it stands on is unmanaged, the snapshot knows its parent. Every item is tried,
 * idempotent and independent of the others. True where all worked; what did not is logged.
 * `quiesced`: the garbage collector is known not to run, so that its keys on the target are left over.
 */
export async function correctRecords(
  sr: FileFamilySR,
  disks: RevertedDisks,
  { quiesced }: { readonly quiesced: boolean },
): Promise<boolean> {
  const steps = [
    async () => {
      const base = parentUuidOf(await inspectDisk(sr, disks.target))
      if (base !== undefined) await correctBase(sr, base)
    },
    () => correctLeaf(sr, disks.snapshot),
    () => correctTarget(sr, disks, quiesced),
  ]
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

async function correctTarget(sr: FileFamilySR, { snapshot, target }: RevertedDisks, quiesced: boolean): Promise<void> {
  const { xapi } = sr.context
  const [ref, snapshotRef] = [await refOf(sr, target), await refOf(sr, snapshot)]
  if (ref === undefined) return
  const [image, size, record] = [
    await inspectDisk(sr, target),
    await fileSize(sr, target),
    await xapi.vdiGetRecord(ref),
  ]
  if (record.virtual_size !== image.virtualSize) await xapi.vdiSetVirtualSize(ref, image.virtualSize)
  if (record.physical_utilisation !== size) await xapi.vdiSetPhysicalUtilisation(ref, size)
  const type = 'vdi_type' in record.sm_config ? { vdi_type: 'vhd' } : {}
  await mergeSmConfig(xapi, ref, { 'vhd-parent': parentUuidOf(image), ...type })
  for (const key of quiesced ? ['vhd-blocks', 'relinking'] : ['vhd-blocks']) {
    if (key in record.sm_config) await xapi.vdiRemoveFromSmConfig(ref, key)
  }
  if (snapshotRef === undefined) return
  const source = await xapi.vdiGetRecord(snapshotRef)
  await mergeSmConfig(xapi, ref, { key_hash: source.sm_config['key_hash'] }, { removeSticky: true })
  // A disk that was written to since has a content of its own.
  if (image.allocatedBlocks === 0) await copyContentId(sr, { from: source, to: record, ref })
}

async function copyContentId(sr: FileFamilySR, copy: { from: VdiRecord; to: VdiRecord; ref: Ref }): Promise<void> {
  const { xapi } = sr.context
  const wanted = copy.from.other_config[CONTENT_ID]
  const present = copy.to.other_config[CONTENT_ID]
  if (wanted === present) return
  if (present !== undefined) await xapi.vdiRemoveFromOtherConfig(copy.ref, CONTENT_ID)
  if (wanted !== undefined) await xapi.vdiAddToOtherConfig(copy.ref, CONTENT_ID, wanted)
}
