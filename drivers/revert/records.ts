import type { SmXapi, VdiRecord } from '../../lib/xapi/SmXapi.ts'
import type { Ref } from '../../lib/xapi/XapiClient.ts'
import { findVdi, mergeSmConfig } from '../records.ts'

/** The disks a revert concerned. */
export interface RevertedDisks {
  readonly snapshot: string
  readonly target: string
}

/** The target's image after a revert. Sizes in bytes. */
export interface TargetImage {
  readonly virtualSize: number
  readonly physicalUtilisation: number
  /** Uuid. */
  readonly parent: string | undefined
  /** Nothing was written to it since. */
  readonly isEmpty: boolean
}

const CONTENT_ID = 'content_id'

/** Until the new content has its own identity, none is true whatever happens. */
export async function dropContentId(xapi: SmXapi, target: Ref): Promise<void> {
  await xapi.vdiRemoveFromOtherConfig(target, CONTENT_ID)
}

/**
 * Makes the record of a reverted target follow its image and its snapshot (spec smapi 8.4). Idempotent. `quiesced`: the
 * garbage collector is known not to run, so that its keys on the target are left over. `types`: SRs whose records name
 * the type of an image.
 */
export async function correctTargetRecord(
  xapi: SmXapi,
  { snapshot, target }: RevertedDisks,
  image: TargetImage,
  options: { readonly quiesced: boolean; readonly types?: boolean },
): Promise<void> {
  const [ref, snapshotRef] = [await findVdi(xapi, target), await findVdi(xapi, snapshot)]
  if (ref === undefined) return
  const record = await xapi.vdiGetRecord(ref)
  if (record.virtual_size !== image.virtualSize) await xapi.vdiSetVirtualSize(ref, image.virtualSize)
  if (record.physical_utilisation !== image.physicalUtilisation) {
    await xapi.vdiSetPhysicalUtilisation(ref, image.physicalUtilisation)
  }
  const type = options.types === true || 'vdi_type' in record.sm_config ? { vdi_type: 'vhd' } : {}
  await mergeSmConfig(xapi, ref, { 'vhd-parent': image.parent, ...type })
  await dropCollectorKeys(xapi, { ref, smConfig: record.sm_config }, options)
  if (snapshotRef === undefined) return
  const source = await xapi.vdiGetRecord(snapshotRef)
  await mergeSmConfig(xapi, ref, { key_hash: source.sm_config['key_hash'] }, { removeSticky: true })
  // A disk that was written to since has a content of its own.
  if (image.isEmpty) await copyContentId(xapi, { from: source, to: record, ref })
}

/**
 * What the garbage collector noted of a disk's old image is not true of the new one; by its mark on a disk whose place in the
 * tree it was changing nobody could open the disk. `quiesced`: it is known not to run, so that the mark is left over.
 */
export async function dropCollectorKeys(
  xapi: SmXapi,
  { ref, smConfig }: { readonly ref: Ref; readonly smConfig: VdiRecord['sm_config'] },
  { quiesced }: { readonly quiesced: boolean },
): Promise<void> {
  for (const key of quiesced ? ['vhd-blocks', 'relinking'] : ['vhd-blocks']) {
    if (key in smConfig) await xapi.vdiRemoveFromSmConfig(ref, key)
  }
}

async function copyContentId(xapi: SmXapi, copy: { from: VdiRecord; to: VdiRecord; ref: Ref }): Promise<void> {
  const wanted = copy.from.other_config[CONTENT_ID]
  const present = copy.to.other_config[CONTENT_ID]
  if (wanted === present) return
  if (present !== undefined) await xapi.vdiRemoveFromOtherConfig(copy.ref, CONTENT_ID)
  if (wanted !== undefined) await xapi.vdiAddToOtherConfig(copy.ref, CONTENT_ID, wanted)
}
