import { XapiError, type Ref, type StringMap } from '../../xapi/XapiClient.ts'
import type { Call } from '../Call.ts'
import type { Mark } from '../Operations.ts'
import { method, type ApiMethod } from './method.ts'
import { vdiInfoOf } from '../storage/vdi-info.ts'
import { dbg, fromStorage, requireManaged, srUuid } from './storage-call.ts'
import { onVdi } from './vdi.ts'
import { cloneVdi } from './vdi-snapshot.ts'

/**
 * `VDI.revert` (spec toolstack 9.1) in its two forms: with the snapshot alone it answers nothing and never falls
 * back; with driver parameters it answers the disk, a clone of the snapshot where reverting in place is not possible.
 */
export const vdiRevertMethods: readonly ApiMethod[] = [
  method(['VDI.revert', { snapshot: 'ref' }, 'void'], async (call, { snapshot }) => {
    await revertVdi(call, snapshot)
  }),
  method(['VDI.revert', { snapshot: 'ref', driver_params: 'map' }, 'ref'], (call, args) =>
    revertOrClone(call, args.snapshot, args.driver_params),
  ),
]

/** Makes the disk's contents those of its snapshot; no record is changed here, the driver does that. */
export async function revertVdi(call: Call, snapshot: Ref): Promise<Ref> {
  const { store, storage, operations } = call.services
  const { SR: sr, snapshot_of: target } = store.get('VDI', snapshot)
  const marks: readonly Mark[] = [
    { className: 'SR', ref: sr, operation: 'vdi_revert' },
    { className: 'VDI', ref: snapshot, operation: 'revert_to' },
  ]
  return operations.run(call, marks, () =>
    onVdi(call, [{ className: 'VDI', ref: target, operation: 'revert_from' }], sr, async () => {
      requireManaged(call, snapshot)
      await fromStorage(sr, storage.VDI.revert(dbg(call), srUuid(call, sr), vdiInfoOf(store, snapshot)))
      return target
    }),
  )
}

/** The old disk stays as it is; its snapshots become snapshots of the clone. */
async function revertOrClone(call: Call, snapshot: Ref, driverParams: StringMap): Promise<Ref> {
  const target = call.services.store.get('VDI', snapshot).snapshot_of
  try {
    return await revertVdi(call, snapshot)
  } catch (error) {
    if (!isRevertRefusal(error)) throw error
  }
  const clone = await cloneVdi(call, snapshot, driverParams)
  adoptSnapshots(call, target, clone)
  return clone
}

/** Snapshots of a disk become snapshots of the one that takes its place. */
export function adoptSnapshots(call: Call, old: Ref, replacement: Ref): void {
  const { store } = call.services
  for (const ref of store.where('VDI', 'snapshot_of', old)) store.update('VDI', ref, { snapshot_of: replacement })
}

/** Errors that mean that a snapshot can only be copied, not reverted to in place. */
const cannotRevert: ReadonlySet<string> = new Set(['SR_OPERATION_NOT_SUPPORTED', 'UNIMPLEMENTED_IN_SM_BACKEND'])

export function isRevertRefusal(error: unknown): boolean {
  return error instanceof XapiError && cannotRevert.has(error.code)
}
