import { XapiError, type Ref } from '../../xapi/XapiClient.ts'
import type { Call } from '../Call.ts'
import type { Mark } from '../Operations.ts'
import { nullRef } from '../schema/field.ts'
import { readMember } from './arguments.ts'
import { method, type ApiMethod, type Arguments } from './method.ts'
import type { RecordOf } from '../schema/schema.ts'
import type { NewVdi } from '../storage/Storage.ts'
import { dbg, fromStorage, place, refOf, requireManaged, requirePlugged, srUuid } from './storage-call.ts'
import { introduced, requireUniqueLocation } from './vdi-records.ts'

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
      fromStorage(sr, call.services.storage.VDI.update(dbg(call), place(call, vdi))),
    )
  }),
]

async function createVdi(call: Call, record: Readonly<Record<string, unknown>>): Promise<Ref> {
  const SR = readMember(record, 'SR', 'ref')
  const vdi = {
    name_label: readMember(record, 'name_label', 'string', ''),
    name_description: readMember(record, 'name_description', 'string', ''),
    ty: readMember(record, 'type', 'string', 'user'),
    virtual_size: readMember(record, 'virtual_size', 'int'),
    read_only: readMember(record, 'read_only', 'bool', false),
    sm_config: readMember(record, 'sm_config', 'map', {}),
  }
  const fields = {
    other_config: readMember(record, 'other_config', 'map', {}),
    sharable: readMember(record, 'sharable', 'bool', false),
    tags: readMember(record, 'tags', 'strings', []),
    xenstore_data: readMember(record, 'xenstore_data', 'map', {}),
  }
  if (vdi.ty === 'cbt_metadata') throw new XapiError('VDI_INCOMPATIBLE_TYPE', [nullRef, vdi.ty])
  const mark = { className: 'SR', ref: SR, operation: 'vdi_create' } as const
  return onVdi(call, [mark], SR, () => makeDisk(call, SR, vdi, fields))
}

type OwnFields = Partial<Pick<RecordOf<'VDI'>, 'other_config' | 'sharable' | 'tags' | 'xenstore_data'>>

/** An empty disk, and what only the record says of it. Throws XapiError SR_BACKEND_FAILURE where it got too small. */
export async function makeDisk(call: Call, sr: Ref, vdi: NewVdi, fields: OwnFields): Promise<Ref> {
  const { store, storage } = call.services
  requirePlugged(call, sr)
  const made = await fromStorage(sr, storage.VDI.create(dbg(call), srUuid(call, sr), vdi))
  const { virtual_size: actual } = made
  if (actual < vdi.virtual_size) {
    throw new XapiError('SR_BACKEND_FAILURE', ['Disk too small', String(vdi.virtual_size), String(actual)])
  }
  const ref = refOf(call, sr, made)
  store.update('VDI', ref, fields)
  return ref
}

function introduceVdi(call: Call, args: Arguments<typeof introduced>): Promise<Ref> {
  const { store, storage } = call.services
  const { uuid, location, sm_config, SR, name_label, name_description } = args
  return onVdi(call, [{ className: 'SR', ref: SR, operation: 'vdi_introduce' }], SR, async () => {
    requireUniqueLocation(call, SR, location)
    const introduction = { uuid, location, sm_config }
    const info = await fromStorage(SR, storage.VDI.introduce(dbg(call), srUuid(call, SR), introduction))
    const ref = refOf(call, SR, info)
    const { read_only, other_config, xenstore_data } = args
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
    await fromStorage(sr, call.services.storage.VDI.resize(dbg(call), place(call, vdi), size))
  })
}

/** The data, the record, and the drives it was in. */
export function destroyVdi(call: Call, vdi: Ref): Promise<void> {
  const sr = srOf(call, vdi)
  const marks: readonly Mark[] = [
    { className: 'SR', ref: sr, operation: 'vdi_destroy' },
    { className: 'VDI', ref: vdi, operation: 'destroy' },
  ]
  return onVdi(call, marks, sr, () => removeDisk(call, vdi))
}

/** `destroyVdi` inside an operation on the SR. */
export async function removeDisk(call: Call, vdi: Ref): Promise<void> {
  const { store, storage } = call.services
  requireManaged(call, vdi)
  await fromStorage(srOf(call, vdi), storage.VDI.destroy(dbg(call), place(call, vdi)))
  for (const vbd of store.where('VBD', 'VDI', vdi)) store.remove('VBD', vbd)
  for (const vm of store.where('VM', 'suspend_VDI', vdi)) store.update('VM', vm, { suspend_VDI: nullRef })
  store.remove('VDI', vdi)
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
