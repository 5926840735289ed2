import { describeError } from '../../os/describeError.ts'
import { XapiError, type Ref } from '../../xapi/XapiClient.ts'
import type { Call } from '../Call.ts'
import { nullRef } from '../schema/field.ts'
import type { RecordOf } from '../schema/schema.ts'
import { xapiDate } from '../Services.ts'
import { method, type ApiMethod } from './method.ts'
import { requirePlugged } from './storage-call.ts'
import { parseVm } from './vm-metadata.ts'
import { copyVifs } from './vm-parts.ts'
import { haltVm } from './vm-power.ts'
import { revertDisks } from './vm-revert-disks.ts'

type Vm = RecordOf<'VM'>

/** `VM.revert` (spec toolstack 11). */
export const vmRevertMethods: readonly ApiMethod[] = [
  method(['VM.revert', { snapshot: 'ref' }, 'void'], (call, { snapshot }) => revertVm(call, snapshot)),
]

/** Fields that a VM keeps when it goes back to a snapshot (spec toolstack 11.1, step 5). */
const kept: ReadonlySet<string> = new Set([
  ...['uuid', 'suspend_VDI', 'power_state', 'parent', 'current_operations', 'allowed_operations', 'metrics'],
  ...['guest_metrics', 'resident_on', 'domid', 'protection_policy', 'snapshot_schedule', 'snapshots', 'tags'],
  ...['scheduled_to_be_resident_on', 'affinity', 'consoles', 'VBDs', 'VIFs', 'VGPUs', 'VUSBs', 'VTPMs'],
  ...['attached_PCIs', 'is_snapshot_from_vmpp'],
])

/** Fields that the snapshot has otherwise than its VM; what the VM had is in the metadata. */
const snapshotsOwn: ReadonlySet<string> = new Set([
  ...['name_label', 'is_a_snapshot', 'is_a_template', 'is_default_template', 'snapshot_of', 'snapshot_time'],
  ...['transportable_snapshot_id', 'children', 'snapshot_info', 'snapshot_metadata'],
])

/** Errors of storage that clients get as they are. */
const passedOn: ReadonlySet<string> = new Set([
  ...['SR_BACKEND_FAILURE_44', 'SR_BACKEND_FAILURE_109', 'VDI_INCOMPATIBLE_TYPE'],
])

async function revertVm(call: Call, snapshot: Ref): Promise<void> {
  const { store, operations } = call.services
  if (!store.get('VM', snapshot).is_a_snapshot) throw new XapiError('REVERT_ONLY_ALLOWED_ON_SNAPSHOT', [])
  const vm = store.has('VM', store.get('VM', snapshot).snapshot_of)
    ? store.get('VM', snapshot).snapshot_of
    : recreateVm(call, snapshot)
  const marks = [
    { className: 'VM', ref: snapshot, operation: 'revert' },
    { className: 'VM', ref: vm, operation: 'reverting' },
  ] as const
  await operations.run(call, marks, async () => {
    requireMemory(call, snapshot)
    try {
      await goBack(call, snapshot, vm)
    } catch (error) {
      abort(call, { snapshot, vm, error })
    }
  })
}

/** A VM that was destroyed comes back under its uuid, and all its snapshots are of it again. */
function recreateVm(call: Call, snapshot: Ref): Ref {
  const { store, system } = call.services
  const record = store.get('VM', snapshot)
  const metadata = parseVm(record.snapshot_metadata)
  const isTaken = store.where('VM', 'uuid', metadata.uuid ?? '').length > 0
  const vm = store.create('VM', {
    ...record,
    ...metadata,
    uuid: metadata.uuid === undefined || isTaken ? system.newUuid() : metadata.uuid,
    is_a_snapshot: false,
    is_a_template: metadata.is_a_template ?? false,
    snapshot_of: nullRef,
    power_state: 'Halted',
    suspend_VDI: nullRef,
    resident_on: nullRef,
    current_operations: {},
    snapshot_info: {},
    snapshot_metadata: '',
  })
  for (const other of store.where('VM', 'snapshot_of', record.snapshot_of)) {
    store.update('VM', other, { snapshot_of: vm })
  }
  return vm
}

/** Saved memory is of use only where it can be read. */
function requireMemory(call: Call, snapshot: Ref): void {
  const { store } = call.services
  const { power_state: state, suspend_VDI: memory } = store.get('VM', snapshot)
  if (state === 'Suspended') requirePlugged(call, store.get('VDI', memory).SR)
}

/** The VM is halted before its disks change; its records follow when nothing can fail any more. */
async function goBack(call: Call, snapshot: Ref, vm: Ref): Promise<void> {
  const { store, system } = call.services
  if (store.get('VM', vm).power_state !== 'Halted') await haltVm(call, vm)
  restoreFields(call, snapshot, vm)
  await revertDisks(call, snapshot, vm)
  for (const vif of store.where('VIF', 'VM', vm)) store.remove('VIF', vif)
  copyVifs(call, { from: snapshot, to: vm, keepAddresses: true })
  store.update('VM', vm, { parent: snapshot })
  setPowerState(call, vm, store.get('VM', snapshot).power_state)
  const { uuid } = store.get('VM', vm)
  const timestamp = xapiDate(system.now())
  store.create('message', { name: 'VM_SNAPSHOT_REVERTED', priority: 5, cls: 'VM', obj_uuid: uuid, timestamp })
}

function restoreFields(call: Call, snapshot: Ref, vm: Ref): void {
  const { store, system } = call.services
  const record = store.get('VM', snapshot)
  const metadata = parseVm(record.snapshot_metadata)
  const hasMetadata = Object.keys(metadata).length > 0
  const source: Partial<Vm> = hasMetadata ? metadata : record
  const restored = Object.entries(source).filter(
    ([field]) => !kept.has(field) && (hasMetadata || !snapshotsOwn.has(field)),
  )
  const fields = Object.fromEntries(restored) as Partial<Vm>
  store.update('VM', vm, { ...fields, ha_always_run: false, generation_id: system.newUuid() })
}

/** A VM that is not running has nothing attached; of one with saved memory the records say that it has. */
function setPowerState(call: Call, vm: Ref, state: string): void {
  const { store } = call.services
  const isSuspended = state === 'Suspended'
  store.update('VM', vm, { power_state: isSuspended ? state : 'Halted', resident_on: nullRef })
  for (const vbd of store.where('VBD', 'VM', vm)) {
    store.update('VBD', vbd, { currently_attached: isSuspended, reserved: false })
  }
}

interface Failure {
  readonly snapshot: Ref
  readonly vm: Ref
  readonly error: unknown
}

/** The VM is left halted, and what was reverted stays so: trying again goes on from there. */
function abort(call: Call, { snapshot, vm, error }: Failure): never {
  const { store, log } = call.services
  if (store.has('VM', vm)) setPowerState(call, vm, 'Halted')
  if (error instanceof XapiError && passedOn.has(error.code)) throw error
  log.error(`VM.revert: ${describeError(error)}`)
  throw new XapiError('VM_REVERT_FAILED', [snapshot, vm])
}
