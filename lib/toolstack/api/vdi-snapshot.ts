import type { Ref, StringMap } from '../../xapi/XapiClient.ts'
import type { Call } from '../Call.ts'
import type { Mark } from '../Operations.ts'
import { nullRef } from '../schema/field.ts'
import type { RecordOf } from '../schema/schema.ts'
import { xapiDate } from '../Services.ts'
import { Unimplemented } from '../storage/errors.ts'
import type { VdiInfo } from '../storage/Storage.ts'
import { method, type ApiMethod } from './method.ts'
import { dbg, fromStorage, place, refOf, requireManaged } from './storage-call.ts'
import { copyContents, makeLike } from './vdi-copy.ts'
import { onVdi, srOf } from './vdi.ts'

const copied = { vdi: 'ref', driver_params: 'map' } as const
const noParams = { fallbacks: { driver_params: {} } }

/** `VDI.snapshot` and `VDI.clone` (spec toolstack 9). */
export const vdiSnapshotMethods: readonly ApiMethod[] = [
  method(['VDI.snapshot', copied, 'ref'], (call, args) => snapshotVdi(call, args.vdi, args.driver_params), noParams),
  method(['VDI.clone', copied, 'ref'], (call, args) => cloneVdi(call, args.vdi, args.driver_params), noParams),
]

export function snapshotVdi(call: Call, source: Ref, driverParams: StringMap): Promise<Ref> {
  const { storage, system } = call.services
  const sr = srOf(call, source)
  return onVdi(call, marksOf(sr, source, 'snapshot'), sr, async () => {
    requireManaged(call, source)
    const info = await fromStorage(sr, storage.VDI.snapshot(dbg(call), place(call, source), driverParams))
    const time = xapiDate(system.now())
    const own = { is_a_snapshot: true, snapshot_of: source, snapshot_time: time }
    return completeCopy(call, source, info, own)
  })
}

/** A driver that cannot clone gets the data copied into a new disk. */
export function cloneVdi(call: Call, source: Ref, driverParams: StringMap): Promise<Ref> {
  const sr = srOf(call, source)
  return onVdi(call, marksOf(sr, source, 'clone'), sr, async () => {
    requireManaged(call, source)
    const own = { is_a_snapshot: false, snapshot_of: nullRef }
    const info = await driverClone(call, source, driverParams)
    if (info !== undefined) return completeCopy(call, source, info, own)
    const copy = await makeLike(call, source, sr)
    await copyContents(call, source, copy)
    return copy
  })
}

/** Undefined where the driver offers no clone. */
async function driverClone(call: Call, source: Ref, driverParams: StringMap): Promise<VdiInfo | undefined> {
  const cloning = call.services.storage.VDI.clone(dbg(call), place(call, source), driverParams)
  return fromStorage(
    srOf(call, source),
    cloning.catch((error: unknown) => {
      if (error instanceof Unimplemented) return undefined
      throw error
    }),
  )
}

type Copy = Pick<RecordOf<'VDI'>, 'is_a_snapshot' | 'snapshot_of'> & Partial<Pick<RecordOf<'VDI'>, 'snapshot_time'>>

/**
 * Gives a new disk what it inherits from its source. The driver is told in between, when the fields that it keeps
 * itself are set.
 */
async function completeCopy(call: Call, source: Ref, info: VdiInfo, own: Copy): Promise<Ref> {
  const { store } = call.services
  const from = store.get('VDI', source)
  const ref = refOf(call, from.SR, info)
  const contentId = { content_id: from.other_config['content_id'] ?? from.location }
  const { name_label, name_description } = from
  const { snapshot_of, ...kept } = own
  store.update('VDI', ref, { name_label, name_description, ...kept, other_config: contentId })
  await updateMetadata(call, ref)
  const { type, sharable, xenstore_data, on_boot, allow_caching, tags } = from
  const other_config = { ...from.other_config, ...contentId }
  store.update('VDI', ref, { type, sharable, other_config, xenstore_data, on_boot, allow_caching, tags, snapshot_of })
  return ref
}

/** A driver that does not offer the call keeps no metadata of its own. */
async function updateMetadata(call: Call, vdi: Ref): Promise<void> {
  const updating = call.services.storage.VDI.update(dbg(call), place(call, vdi))
  await fromStorage(
    srOf(call, vdi),
    updating.catch((error: unknown) => {
      if (!(error instanceof Unimplemented)) throw error
    }),
  )
}

function marksOf(sr: Ref, vdi: Ref, operation: string): readonly Mark[] {
  return [
    { className: 'SR', ref: sr, operation: `vdi_${operation}` },
    { className: 'VDI', ref: vdi, operation },
  ]
}
