import { XapiError, type Ref } from '../../xapi/XapiClient.ts'
import type { Call } from '../Call.ts'
import { readMember } from './arguments.ts'
import { refuseMaster } from './checks.ts'
import { method, type ApiMethod } from './method.ts'
import { dbg, fromStorage, srUuid } from './storage-call.ts'

const self = { self: 'ref' } as const

/** Connections of hosts to SRs (spec toolstack 8). */
export const pbdMethods: readonly ApiMethod[] = [
  method(['PBD.create', { record: 'struct' }, 'ref'], createPbd),
  method(['PBD.plug', self, 'void'], (call, pbd) => marked(call, pbd.self, 'plug', () => plugPbd(call, pbd.self))),
  method(['PBD.unplug', self, 'void'], (call, pbd) =>
    marked(call, pbd.self, 'unplug', () => unplugPbd(call, pbd.self)),
  ),
  method(['PBD.destroy', self, 'void'], (call, pbd) => {
    const { store } = call.services
    if (store.get('PBD', pbd.self).currently_attached) {
      throw new XapiError('OPERATION_NOT_ALLOWED', ['PBD is currently attached'])
    }
    store.remove('PBD', pbd.self)
  }),
]

/** Attaches the SR; nothing happens where it is attached already. */
export async function plugPbd(call: Call, pbd: Ref): Promise<void> {
  const { store, storage } = call.services
  const { SR, currently_attached: attached } = store.get('PBD', pbd)
  if (attached) return
  await fromStorage(SR, storage.SR.attach(dbg(call), srUuid(call, SR)))
  store.update('PBD', pbd, { currently_attached: true })
}

async function unplugPbd(call: Call, pbd: Ref): Promise<void> {
  const { store, storage } = call.services
  const { SR, currently_attached: attached } = store.get('PBD', pbd)
  if (!attached) return
  const isUsed = (vdi: Ref) => store.where('VBD', 'VDI', vdi).some(vbd => store.get('VBD', vbd).currently_attached)
  const used = store.where('VDI', 'SR', SR).find(isUsed)
  if (used !== undefined) throw new XapiError('VDI_IN_USE', [used, 'unplug'])
  await fromStorage(SR, storage.SR.detach(dbg(call), srUuid(call, SR)))
  store.update('PBD', pbd, { currently_attached: false })
}

function createPbd(call: Call, { record }: { record: Readonly<Record<string, unknown>> }): Ref {
  const { store } = call.services
  const host = readMember(record, 'host', 'ref')
  const SR = readMember(record, 'SR', 'ref')
  const deviceConfig = readMember(record, 'device_config', 'map', {})
  store.get('host', host)
  store.get('SR', SR)
  refuseMaster(deviceConfig)
  const existing = store.where('PBD', 'SR', SR).find(pbd => store.get('PBD', pbd).host === host)
  if (existing !== undefined) throw new XapiError('PBD_EXISTS', [SR, host, existing])
  const otherConfig = readMember(record, 'other_config', 'map', {})
  return store.create('PBD', { host, SR, device_config: deviceConfig, other_config: otherConfig })
}

function marked<T>(call: Call, pbd: Ref, operation: string, body: () => Promise<T>): Promise<T> {
  const { store, operations } = call.services
  return operations.run(call, [{ className: 'SR', ref: store.get('PBD', pbd).SR, operation }], body)
}
