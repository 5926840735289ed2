import { SmError } from '../../lib/smapi/SmError.ts'
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
  /** Whether it has a log of its changed blocks; left as it is where that is not said. */
  readonly hasChangeLog?: boolean
}

const CONTENT_ID = 'content_id'

/** Until the new content has its own identity, none is true whatever happens. */
export async function dropContentId(xapi: SmXapi, target: Ref): Promise<void> {
  await xapi.vdiRemoveFromOtherConfig(target, CONTENT_ID)
}

/**
 * Makes the record of a reverted target follow its image and its snapshot (spec smapi 8.4), the type of the image first: by
 * that the disk is found. Idempotent; every item is tried, whatever became of the others. `quiesced`: the garbage collector
 * is known not to run, so that its keys on the target are left over. `types`: SRs whose records name the type of an image.
 * @throws SmError VDISnapshot where an item could not be corrected; XapiError where the record cannot be read
 */
export async function correctTargetRecord(
  xapi: SmXapi,
  disks: RevertedDisks,
  image: TargetImage,
  options: { readonly quiesced: boolean; readonly types?: boolean },
): Promise<void> {
  const ref = await findVdi(xapi, disks.target)
  if (ref === undefined) return
  const record = await xapi.vdiGetRecord(ref)
  const { sm_config: smConfig } = record
  const namesType = options.types === true || 'vdi_type' in smConfig
  await tryAll([
    async () => {
      if (namesType) await mergeSmConfig(xapi, ref, { vdi_type: 'vhd' })
    },
    () => mergeSmConfig(xapi, ref, { 'vhd-parent': image.parent }),
    async () => {
      if (record.virtual_size !== image.virtualSize) await xapi.vdiSetVirtualSize(ref, image.virtualSize)
    },
    async () => {
      const { physicalUtilisation } = image
      if (record.physical_utilisation !== physicalUtilisation)
        await xapi.vdiSetPhysicalUtilisation(ref, physicalUtilisation)
    },
    async () => {
      const { hasChangeLog = record.cbt_enabled } = image
      if (record.cbt_enabled !== hasChangeLog) await xapi.vdiSetCbtEnabled(ref, hasChangeLog)
    },
    () => dropCollectorKeys(xapi, { ref, smConfig }, options),
    () => followSnapshot(xapi, disks.snapshot, { ref, record, image }),
  ])
}

/** @throws SmError VDISnapshot where a step failed, when all were tried */
async function tryAll(steps: readonly (() => Promise<void>)[]): Promise<void> {
  const errors: unknown[] = []
  for (const step of steps) {
    try {
      await step()
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length === 0) return
  throw new SmError('VDISnapshot', `revert: the record is not corrected: ${errors.map(String).join('; ')}`, {
    cause: errors[0],
  })
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

/** Key and identity of the content are the snapshot's; a disk that was written to since has a content of its own. */
async function followSnapshot(
  xapi: SmXapi,
  snapshot: string,
  target: { readonly ref: Ref; readonly record: VdiRecord; readonly image: TargetImage },
): Promise<void> {
  const snapshotRef = await findVdi(xapi, snapshot)
  if (snapshotRef === undefined) return
  const source = await xapi.vdiGetRecord(snapshotRef)
  const { ref, record, image } = target
  await tryAll([
    () => mergeSmConfig(xapi, ref, { key_hash: source.sm_config['key_hash'] }, { removeSticky: true }),
    async () => {
      if (image.isEmpty) await copyContentId(xapi, { from: source, to: record, ref })
    },
  ])
}

async function copyContentId(xapi: SmXapi, copy: { from: VdiRecord; to: VdiRecord; ref: Ref }): Promise<void> {
  const wanted = copy.from.other_config[CONTENT_ID]
  const present = copy.to.other_config[CONTENT_ID]
  if (wanted === present) return
  if (present !== undefined) await xapi.vdiRemoveFromOtherConfig(copy.ref, CONTENT_ID)
  if (wanted !== undefined) await xapi.vdiAddToOtherConfig(copy.ref, CONTENT_ID, wanted)
}
