import type { Ref } from '../../xapi/XapiClient.ts'
import type { Call } from '../Call.ts'
import { nullRef } from '../schema/field.ts'
import { xapiDate } from '../Services.ts'
import { method, type ApiMethod } from './method.ts'
import { cloneVdi, snapshotVdi } from './vdi-snapshot.ts'
import { duplicateDisks, removeDisks } from './vm.ts'
import { serialiseVm } from './vm-metadata.ts'
import { copyVbds, copyVifs, disksOf, type DiskMap } from './vm-parts.ts'
import { resumeVm, suspendVm } from './vm-power.ts'

const snapshotted = { vm: 'ref', new_name: 'string', ignore_vdis: 'refs' } as const
const named = { vm: 'ref', new_name: 'string' } as const

/** `VM.snapshot` and `VM.checkpoint` (spec toolstack 10.1). */
export const vmSnapshotMethods: readonly ApiMethod[] = [
  method(
    ['VM.snapshot', snapshotted, 'ref'],
    (call, { vm, new_name, ignore_vdis }) =>
      marked(call, vm, 'snapshot', () => takeSnapshot(call, vm, { name: new_name, ignored: ignore_vdis })),
    { fallbacks: { ignore_vdis: [] } },
  ),
  method(['VM.checkpoint', named, 'ref'], (call, { vm, new_name }) =>
    marked(call, vm, 'checkpoint', () => takeCheckpoint(call, vm, new_name)),
  ),
]

function marked(call: Call, ref: Ref, operation: string, body: () => Promise<Ref>): Promise<Ref> {
  return call.services.operations.run(call, [{ className: 'VM', ref, operation }], body)
}

interface Wanted {
  readonly name: string
  readonly ignored: readonly Ref[]
}

async function takeSnapshot(call: Call, vm: Ref, { name, ignored }: Wanted): Promise<Ref> {
  const powerState = call.services.store.get('VM', vm).power_state
  const disks = await snapshotDisks(call, vm, ignored)
  return recordSnapshot(call, vm, { name, powerState, disks, memory: nullRef, event: 'VM_SNAPSHOTTED' })
}

/** All disks of one snapshot have the same epoch, by which drivers can tell that they belong together. */
function snapshotDisks(call: Call, vm: Ref, ignored: readonly Ref[]): Promise<DiskMap> {
  const epochhint = call.services.system.newUuid()
  const wanted = disksOf(call.services.store, vm).filter(disk => !ignored.includes(disk))
  return duplicateDisks(call, wanted, disk => snapshotVdi(call, disk, { epochhint }))
}

/** With the memory: the VM stands still while its disks and its memory are taken. */
async function takeCheckpoint(call: Call, vm: Ref, name: string): Promise<Ref> {
  const { store } = call.services
  const powerState = store.get('VM', vm).power_state
  if (powerState === 'Running') await suspendVm(call, vm)
  try {
    const disks = await snapshotDisks(call, vm, [])
    const memory = await cloneMemory(call, vm, disks)
    return recordSnapshot(call, vm, { name, powerState, disks, memory, event: 'VM_CHECKPOINTED' })
  } finally {
    if (powerState === 'Running') await resumeVm(call, vm, false)
  }
}

async function cloneMemory(call: Call, vm: Ref, disks: DiskMap): Promise<Ref> {
  try {
    return await cloneVdi(call, call.services.store.get('VM', vm).suspend_VDI, {})
  } catch (error) {
    await removeDisks(call, [...disks.values()])
    throw error
  }
}

interface Snapshot {
  readonly name: string
  /** State of the VM when it was asked for. */
  readonly powerState: string
  readonly disks: DiskMap
  /** Disk with the saved memory, or null. */
  readonly memory: Ref
  /** Name of the message that tells of it. */
  readonly event: string
}

function recordSnapshot(call: Call, vm: Ref, { name, powerState, disks, memory, event }: Snapshot): Ref {
  const { store, system } = call.services
  const original = store.get('VM', vm)
  const isCheckpoint = memory !== nullRef
  const time = xapiDate(system.now())
  const snapshot = store.create('VM', {
    ...original,
    uuid: system.newUuid(),
    name_label: name,
    current_operations: {},
    power_state: isCheckpoint ? 'Suspended' : 'Halted',
    suspend_VDI: memory,
    resident_on: nullRef,
    domid: -1,
    is_a_template: true,
    is_default_template: false,
    is_a_snapshot: true,
    snapshot_of: vm,
    snapshot_time: time,
    snapshot_info: { 'power-state-at-snapshot': powerState, 'disk-snapshot-type': 'crash_consistent' },
    snapshot_metadata: serialiseVm({ ...original, suspend_VDI: nullRef }),
    transportable_snapshot_id: '',
  })
  store.update('VM', vm, { parent: snapshot })
  copyVbds(call, { from: vm, to: snapshot, disks, otherConfig: { owner: '' }, attached: isCheckpoint })
  copyVifs(call, { from: vm, to: snapshot, keepAddresses: true })
  store.create('message', { name: event, priority: 5, cls: 'VM', obj_uuid: original.uuid, timestamp: time })
  return snapshot
}
