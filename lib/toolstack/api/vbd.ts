import { XapiError, type Ref } from '../../xapi/XapiClient.ts'
import type { Call } from '../Call.ts'
import { nullRef } from '../schema/field.ts'
import type { Store } from '../Store.ts'
import { readMember } from './arguments.ts'
import { method, type ApiMethod } from './method.ts'
import { attachDrive, detachDrive } from './vm-drives.ts'
import { randomAddress } from './vm-parts.ts'

const self = { self: 'ref' } as const

/** Drives and network interfaces of VMs (spec toolstack 10). */
export const vbdMethods: readonly ApiMethod[] = [
  method(['VBD.create', { record: 'struct' }, 'ref'], (call, { record }) => createVbd(call, record)),
  method(['VBD.destroy', self, 'void'], (call, vbd) => {
    const { store } = call.services
    if (store.get('VBD', vbd.self).currently_attached) {
      throw new XapiError('OPERATION_NOT_ALLOWED', [`VBD '${store.get('VBD', vbd.self).uuid}' still attached`])
    }
    store.remove('VBD', vbd.self)
  }),
  method(['VBD.plug', self, 'void'], (call, vbd) => plug(call, vbd.self)),
  method(['VBD.unplug', self, 'void'], (call, vbd) => unplug(call, vbd.self)),
  method(['VBD.insert', { vbd: 'ref', vdi: 'ref' }, 'void'], (call, { vbd, vdi }) => insert(call, vbd, vdi)),
  method(['VBD.eject', { vbd: 'ref' }, 'void'], (call, { vbd }) => eject(call, vbd)),
  method(['VIF.create', { record: 'struct' }, 'ref'], (call, { record }) => createVif(call, record)),
  method(['VIF.destroy', self, 'void'], (call, vif) => {
    call.services.store.get('VIF', vif.self)
    call.services.store.remove('VIF', vif.self)
  }),
  method(['network.create', { record: 'struct' }, 'ref'], (call, { record }) =>
    call.services.store.create('network', {
      name_label: readMember(record, 'name_label', 'string', ''),
      name_description: readMember(record, 'name_description', 'string', ''),
      other_config: readMember(record, 'other_config', 'map', {}),
      MTU: readMember(record, 'MTU', 'int', 1500),
      managed: true,
      default_locking_mode: 'unlocked',
    }),
  ),
  method(['network.destroy', self, 'void'], (call, network) => {
    const { store } = call.services
    const used = store.where('VIF', 'network', network.self)
    if (used.length > 0) throw new XapiError('NETWORK_CONTAINS_VIF', [...used])
    store.get('network', network.self)
    store.remove('network', network.self)
  }),
]

function createVbd(call: Call, record: Readonly<Record<string, unknown>>): Ref {
  const { store } = call.services
  const VM = readMember(record, 'VM', 'ref')
  const VDI = readMember(record, 'VDI', 'ref', nullRef)
  const type = readMember(record, 'type', 'string', 'Disk')
  const mode = readMember(record, 'mode', 'string', 'RW')
  const empty = readMember(record, 'empty', 'bool', VDI === nullRef)
  store.get('VM', VM)
  requireEnum('mode', mode, ['RO', 'RW'])
  requireEnum('type', type, ['CD', 'Disk', 'Floppy'])
  if (type === 'CD' && mode !== 'RO') throw new XapiError('VBD_CDS_MUST_BE_READONLY', [])
  if (type !== 'CD' && empty) throw new XapiError('VBD_NOT_REMOVABLE_MEDIA', [nullRef])
  if (!empty && store.get('VDI', VDI).read_only && mode === 'RW') throw new XapiError('VDI_READONLY', [VDI])
  return store.create('VBD', {
    VM,
    VDI: empty ? nullRef : VDI,
    type,
    mode,
    empty,
    userdevice: chooseDevice(store, VM, readMember(record, 'userdevice', 'string', 'autodetect')),
    bootable: readMember(record, 'bootable', 'bool', false),
    unpluggable: readMember(record, 'unpluggable', 'bool', true),
    other_config: readMember(record, 'other_config', 'map', {}),
    qos_algorithm_type: readMember(record, 'qos_algorithm_type', 'string', ''),
    qos_algorithm_params: readMember(record, 'qos_algorithm_params', 'map', {}),
  })
}

function requireEnum(field: string, value: string, allowed: readonly string[]): void {
  if (!allowed.includes(value)) throw new XapiError('INVALID_VALUE', [field, value])
}

/** The number that was asked for, or the first free one. Throws XapiError INVALID_DEVICE, DEVICE_ALREADY_EXISTS. */
function chooseDevice(store: Store, vm: Ref, wanted: string): string {
  const taken = new Set(store.where('VBD', 'VM', vm).map(vbd => store.get('VBD', vbd).userdevice))
  if (wanted === 'autodetect') {
    let free = 0
    while (taken.has(String(free))) free += 1
    return String(free)
  }
  if (!/^(0|[1-9]\d{0,2})$/.test(wanted) || Number(wanted) > 254) throw new XapiError('INVALID_DEVICE', [wanted])
  if (taken.has(wanted)) throw new XapiError('DEVICE_ALREADY_EXISTS', [wanted])
  return wanted
}

async function plug(call: Call, vbd: Ref): Promise<void> {
  const { store } = call.services
  const { VM, currently_attached: attached } = store.get('VBD', vbd)
  const { power_state: state } = store.get('VM', VM)
  if (state !== 'Running') throw new XapiError('VM_BAD_POWER_STATE', [VM, 'running', state.toLowerCase()])
  if (attached) throw new XapiError('DEVICE_ALREADY_ATTACHED', [vbd])
  await attachDrive(call, vbd)
}

async function unplug(call: Call, vbd: Ref): Promise<void> {
  if (!call.services.store.get('VBD', vbd).currently_attached) {
    throw new XapiError('DEVICE_ALREADY_DETACHED', [vbd])
  }
  await detachDrive(call, vbd)
}

async function insert(call: Call, vbd: Ref, vdi: Ref): Promise<void> {
  const { store } = call.services
  const drive = store.get('VBD', vbd)
  store.get('VDI', vdi)
  if (drive.type !== 'CD') throw new XapiError('VBD_NOT_REMOVABLE_MEDIA', [vbd])
  if (!drive.empty) throw new XapiError('VBD_NOT_EMPTY', [vbd])
  store.update('VBD', vbd, { VDI: vdi, empty: false })
  if (store.get('VM', drive.VM).power_state === 'Running') await attachDrive(call, vbd)
}

async function eject(call: Call, vbd: Ref): Promise<void> {
  const { store } = call.services
  const drive = store.get('VBD', vbd)
  if (drive.type !== 'CD') throw new XapiError('VBD_NOT_REMOVABLE_MEDIA', [vbd])
  if (drive.empty) throw new XapiError('VBD_IS_EMPTY', [vbd])
  if (drive.currently_attached) await detachDrive(call, vbd)
  store.update('VBD', vbd, { VDI: nullRef, empty: true })
}

function createVif(call: Call, record: Readonly<Record<string, unknown>>): Ref {
  const { store, system } = call.services
  const VM = readMember(record, 'VM', 'ref')
  const network = readMember(record, 'network', 'ref')
  const device = readMember(record, 'device', 'string', '0')
  const MAC = readMember(record, 'MAC', 'string', '')
  store.get('VM', VM)
  store.get('network', network)
  if (!/^(0|[1-9]\d{0,2})$/.test(device)) throw new XapiError('INVALID_DEVICE', [device])
  if (store.where('VIF', 'VM', VM).some(vif => store.get('VIF', vif).device === device)) {
    throw new XapiError('DEVICE_ALREADY_EXISTS', [device])
  }
  if (MAC !== '' && !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(MAC)) throw new XapiError('MAC_INVALID', [MAC])
  return store.create('VIF', {
    VM,
    network,
    device,
    MAC: MAC === '' ? randomAddress(system.newUuid()) : MAC.toLowerCase(),
    MAC_autogenerated: MAC === '',
    MTU: readMember(record, 'MTU', 'int', 1500),
    other_config: readMember(record, 'other_config', 'map', {}),
    locking_mode: 'network_default',
  })
}
