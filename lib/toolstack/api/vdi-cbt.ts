import { XapiError, type Ref } from '../../xapi/XapiClient.ts'
import type { Call } from '../Call.ts'
import type { Mark } from '../Operations.ts'
import { method, type ApiMethod } from './method.ts'
import { dbg, fromStorage, place, requireManaged } from './storage-call.ts'
import { onVdi, srOf } from './vdi.ts'

const self = { self: 'ref' } as const
const range = { vdi_from: 'ref', vdi_to: 'ref' } as const
const onBoot = { self: 'ref', value: 'string' } as const

/** Changed block tracking, and what a disk does at a boot (spec toolstack 9). */
export const vdiCbtMethods: readonly ApiMethod[] = [
  method(['VDI.enable_cbt', self, 'void'], (call, vdi) => toggle(call, vdi.self, 'enable_cbt')),
  method(['VDI.disable_cbt', self, 'void'], (call, vdi) => toggle(call, vdi.self, 'disable_cbt')),
  method(['VDI.data_destroy', self, 'void'], (call, vdi) => destroyData(call, vdi.self)),
  method(['VDI.list_changed_blocks', range, 'string'], (call, args) => changedBlocks(call, args.vdi_from, args.vdi_to)),
  method(['VDI.set_on_boot', onBoot, 'void'], (call, args) => setOnBoot(call, args.self, args.value)),
]

/** The driver writes the new state into the record. */
function toggle(call: Call, vdi: Ref, operation: 'enable_cbt' | 'disable_cbt'): Promise<void> {
  return marked(call, vdi, operation, () => call.services.storage.VDI[operation](dbg(call), place(call, vdi)))
}

/** While the data goes, the type says already that it is gone; where it stays the type comes back. */
function destroyData(call: Call, vdi: Ref): Promise<void> {
  const { store, storage } = call.services
  return marked(call, vdi, 'data_destroy', async () => {
    const { type } = store.get('VDI', vdi)
    store.update('VDI', vdi, { type: 'cbt_metadata' })
    try {
      await storage.VDI.data_destroy(dbg(call), place(call, vdi))
    } catch (error) {
      store.update('VDI', vdi, { type })
      throw error
    }
  })
}

function changedBlocks(call: Call, from: Ref, to: Ref): Promise<string> {
  const { store, storage } = call.services
  store.get('VDI', to)
  return marked(call, from, 'list_changed_blocks', () =>
    storage.VDI.list_changed_blocks(dbg(call), place(call, from), place(call, to)),
  )
}

function setOnBoot(call: Call, vdi: Ref, value: string): Promise<void> {
  if (value !== 'persist' && value !== 'reset') throw new XapiError('INVALID_VALUE', ['value', value])
  const { VDI } = call.services.storage
  return marked(call, vdi, 'set_on_boot', () => VDI.set_persistent(dbg(call), place(call, vdi), value === 'persist'))
}

function marked<T>(call: Call, vdi: Ref, operation: string, body: () => Promise<T>): Promise<T> {
  const sr = srOf(call, vdi)
  const marks: readonly Mark[] = [
    { className: 'SR', ref: sr, operation: `vdi_${operation}` },
    { className: 'VDI', ref: vdi, operation },
  ]
  return onVdi(call, marks, sr, () => {
    requireManaged(call, vdi)
    return fromStorage(sr, body())
  })
}
