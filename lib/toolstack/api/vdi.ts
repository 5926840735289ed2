import { XapiError, type Ref } from '../../xapi/XapiClient.ts'
import type { Call } from '../Call.ts'
import type { Mark } from '../Operations.ts'
import { nullRef } from '../schema/field.ts'
import { readMember } from './arguments.ts'
import { method, type ApiMethod, type Arguments } from './method.ts'
import { at, refusing, requireManaged, requirePlugged } from './storage-call.ts'
import { introduced, recordOf, requireUniqueLocation } from './vdi-records.ts'

const resized = { vdi: 'ref', size: 'int' } as const

/** Disks (spec toolstack 9). */
export const vdiMethods: readonly ApiMethod[] = [
  method(['VDI.create', { record: 'struct' }, 'ref'], (call, { record }) => createVdi(call, record)),
  method(['VDI.introduce', introduced, 'ref'], introduceVdi),
  method(['VDI.resize', resized, 'void'], (call, { vdi, size }) => resize(call, 'resize', vdi, size)),
  method(['VDI.resize_online', resized, 'void'], (call, { vdi, size }) => resize(call, 'resize_online', vdi, size)),
  method(['VDI.destroy', { vdi: 'ref' }, 'void'], (call, { vdi }) => destroyVdi(call, vdi)),
  method(['VDI.update', { vdi: 'ref' }, 'void'], (call, { vdi }) => {
    const sr = srOf(call, vdi)
    return onVdi(call, [{ className: 'VDI', ref: vdi, operation: 'update' }], sr, () =>
      refusing(sr, call.services.storage.vdiUpdate(at(call, sr), vdi)),
    )
  }),
]

async function createVdi(call: Call, record: Readonly<Record<string, unknown>>): Promise<Ref> {
  const { store, storage } = call.services
  const SR = readMember(record, 'SR', 'ref')
  const type = readMember(record, 'type', 'string', 'user')
  const size = readMember(record, 'virtual_size', 'int')
  const vdi = {
    nameLabel: readMember(record, 'name_label', 'string', ''),
    nameDescription: readMember(record, 'name_description', 'string', ''),
    type,
    virtualSize: size,
    readOnly: readMember(record, 'read_only', 'bool', false),
    smConfig: readMember(record, 'sm_config', 'map', {}),
  }
  const fields = {
    other_config: readMember(record, 'other_config', 'map', {}),
    sharable: readMember(record, 'sharable', 'bool', false),
    tags: readMember(record, 'tags', 'strings', []),
    xenstore_data: readMember(record, 'xenstore_data', 'map', {}),
  }
  if (type === 'cbt_metadata') throw new XapiError('VDI_INCOMPATIBLE_TYPE', [nullRef, type])
  return onVdi(call, [{ className: 'SR', ref: SR, operation: 'vdi_create' }], SR, async () => {
    const ref = recordOf(call, SR, await refusing(SR, storage.vdiCreate(at(call, SR), vdi)))
    const actual = store.get('VDI', ref).virtual_size
    if (actual < size) throw new XapiError('SR_BACKEND_FAILURE', ['Disk too small', String(size), String(actual)])
    store.update('VDI', ref, fields)
    return ref
  })
}

function introduceVdi(call: Call, args: Arguments<typeof introduced>): Promise<Ref> {
  const { store, storage } = call.services
  const { uuid, location, sm_config: smConfig, SR } = args
  return onVdi(call, [{ className: 'SR', ref: SR, operation: 'vdi_introduce' }], SR, async () => {
    requireUniqueLocation(call, SR, location)
    const info = await refusing(SR, storage.vdiIntroduce(at(call, SR), { uuid, location, smConfig }))
    const ref = recordOf(call, SR, info)
    const { name_label, name_description, read_only, other_config, xenstore_data } = args
    store.update('VDI', ref, { name_label, name_description, read_only, other_config, xenstore_data })
    return ref
  })
}

/** The driver writes the new size into the record. */
function resize(call: Call, operation: 'resize' | 'resize_online', vdi: Ref, size: number): Promise<void> {
  const sr = srOf(call, vdi)
  const marks: readonly Mark[] = [
    { className: 'SR', ref: sr, operation: 'vdi_resize' },
    { className: 'VDI', ref: vdi, operation },
  ]
  return onVdi(call, marks, sr, async () => {
    requireManaged(call, vdi)
    await refusing(sr, call.services.storage.vdiResize(at(call, sr), vdi, size))
  })
}

function destroyVdi(call: Call, vdi: Ref): Promise<void> {
  const { store, storage } = call.services
  const sr = srOf(call, vdi)
  const marks: readonly Mark[] = [
    { className: 'SR', ref: sr, operation: 'vdi_destroy' },
    { className: 'VDI', ref: vdi, operation: 'destroy' },
  ]
  return onVdi(call, marks, sr, async () => {
    requireManaged(call, vdi)
    await refusing(sr, storage.vdiDelete(at(call, sr), vdi))
    for (const vbd of store.where('VBD', 'VDI', vdi)) store.remove('VBD', vbd)
    for (const vm of store.where('VM', 'suspend_VDI', vdi)) store.update('VM', vm, { suspend_VDI: nullRef })
    store.remove('VDI', vdi)
  })
}

/** Runs an operation that needs the SR to be plugged in. */
export function onVdi<T>(call: Call, marks: readonly Mark[], sr: Ref, body: () => Promise<T>): Promise<T> {
  return call.services.operations.run(call, marks, () => {
    requirePlugged(call, sr)
    return body()
  })
}

export function srOf(call: Call, vdi: Ref): Ref {
  return call.services.store.get('VDI', vdi).SR
}
