import { XapiError, type Ref } from '../../xapi/XapiClient.ts'
import type { Call } from '../Call.ts'
import { nullRef } from '../schema/field.ts'
import { fieldTypeOf, schema, type RecordOf } from '../schema/schema.ts'
import { readArgument } from './arguments.ts'
import { method, type ApiMethod } from './method.ts'
import { destroyVdi } from './vdi.ts'
import { cloneVdi } from './vdi-snapshot.ts'
import { copyVbds, copyVifs, disksOf, type DiskMap } from './vm-parts.ts'

const cloned = { vm: 'ref', new_name: 'string' } as const

/** VMs, which are records only (spec toolstack 10). */
export const vmMethods: readonly ApiMethod[] = [
  method(['VM.create', { record: 'struct' }, 'ref'], (call, { record }) => createVm(call, record)),
  method(['VM.destroy', { self: 'ref' }, 'void'], (call, { self }) =>
    call.services.operations.run(call, [{ className: 'VM', ref: self, operation: 'destroy' }], () =>
      destroyVm(call, self),
    ),
  ),
  method(['VM.clone', cloned, 'ref'], (call, { vm, new_name }) => cloneVm(call, vm, new_name)),
]

/** Fields that a new VM gets whatever its maker says: they tell what has happened to it. */
const ownFields: ReadonlySet<string> = new Set([
  ...['uuid', 'allowed_operations', 'current_operations', 'power_state', 'resident_on', 'domid', 'is_control_domain'],
  ...['VBDs', 'VIFs', 'snapshots', 'children', 'parent', 'is_a_snapshot', 'snapshot_of', 'snapshot_time'],
  ...['snapshot_info', 'snapshot_metadata', 'suspend_VDI', 'metrics', 'guest_metrics', 'scheduled_to_be_resident_on'],
])

const defaults = {
  power_state: 'Halted',
  domid: -1,
  actions_after_softreboot: 'soft_reboot',
  actions_after_shutdown: 'destroy',
  actions_after_reboot: 'restart',
  actions_after_crash: 'restart',
  HVM_shadow_multiplier: 1,
  domain_type: 'unspecified',
} as const

function createVm(call: Call, record: Readonly<Record<string, unknown>>): Ref {
  const given = Object.keys(schema.VM.fields).filter(field => Object.hasOwn(record, field) && !ownFields.has(field))
  const fields = given.map(field => {
    const type = fieldTypeOf('VM', field)
    if (type === undefined) throw new TypeError(`VM has no field ${field}`)
    return [field, readArgument(field, record[field], type)] as const
  })
  const { store, system } = call.services
  const generated = { generation_id: system.newUuid() }
  return store.create('VM', { ...defaults, ...generated, ...(Object.fromEntries(fields) as Partial<RecordOf<'VM'>>) })
}

/** Its drives and interfaces go with it, its disks stay; snapshots that followed it move up. */
async function destroyVm(call: Call, self: Ref): Promise<void> {
  const { store } = call.services
  const { suspend_VDI: suspended, parent } = store.get('VM', self)
  if (store.has('VDI', suspended)) await destroyVdi(call, suspended)
  for (const vbd of store.where('VBD', 'VM', self)) store.remove('VBD', vbd)
  for (const vif of store.where('VIF', 'VM', self)) store.remove('VIF', vif)
  for (const child of store.where('VM', 'parent', self)) store.update('VM', child, { parent })
  store.remove('VM', self)
}

async function cloneVm(call: Call, vm: Ref, newName: string): Promise<Ref> {
  const { store, operations, system } = call.services
  return operations.run(call, [{ className: 'VM', ref: vm, operation: 'clone' }], async () => {
    if (store.get('VM', vm).power_state !== 'Halted') {
      throw new XapiError('VM_BAD_POWER_STATE', [vm, 'halted', store.get('VM', vm).power_state.toLowerCase()])
    }
    const disks = await duplicateDisks(call, disksOf(store, vm), disk => cloneVdi(call, disk, {}))
    const clone = store.create('VM', {
      ...store.get('VM', vm),
      uuid: system.newUuid(),
      name_label: newName,
      current_operations: {},
      is_a_snapshot: false,
      is_default_template: false,
      snapshot_of: nullRef,
      snapshot_info: {},
      snapshot_metadata: '',
      parent: nullRef,
      generation_id: system.newUuid(),
    })
    copyVbds(call, { from: vm, to: clone, disks, otherConfig: { owner: '' } })
    copyVifs(call, { from: vm, to: clone, keepAddresses: false })
    return clone
  })
}

/** Makes a copy of each disk; where one fails, those made before are destroyed again. */
export async function duplicateDisks(
  call: Call,
  disks: readonly Ref[],
  duplicate: (disk: Ref) => Promise<Ref>,
): Promise<DiskMap> {
  const made = new Map<Ref, Ref>()
  try {
    for (const disk of disks) made.set(disk, await duplicate(disk))
    return made
  } catch (error) {
    await removeDisks(call, [...made.values()])
    throw error
  }
}

/** Removes disks that a failed operation has made; the failure that is being reported matters more than another one. */
export async function removeDisks(call: Call, disks: readonly Ref[]): Promise<void> {
  for (const disk of disks) {
    try {
      await destroyVdi(call, disk)
    } catch (error) {
      call.services.log.error(`a disk of a failed operation stays: ${String(error)}`)
    }
  }
}
