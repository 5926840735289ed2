import { XapiError, type Ref } from '../../xapi/XapiClient.ts'
import type { Call } from '../Call.ts'
import { withoutKey } from '../maps.ts'
import { isUuid, refuseMaster } from './checks.ts'
import { method, type ApiMethod, type Arguments } from './method.ts'
import { plugPbd } from './pbd.ts'
import { dbg, fromStorage, requirePlugged, srUuid } from './storage-call.ts'

const created = {
  host: 'ref',
  device_config: 'map',
  physical_size: 'int',
  name_label: 'string',
  name_description: 'string',
  type: 'string',
  content_type: 'string',
  shared: 'bool',
  sm_config: 'map',
} as const

const introduced = {
  uuid: 'string',
  name_label: 'string',
  name_description: 'string',
  type: 'string',
  content_type: 'string',
  shared: 'bool',
  sm_config: 'map',
} as const

const probed = { host: 'ref', device_config: 'map', type: 'string', sm_config: 'map' } as const
const noSmConfig = { fallbacks: { sm_config: {} } }
const sr = { sr: 'ref' } as const

/** A scan is repeated while it changes the set of disks, at most this often. */
const maxScans = 10

/** Storage repositories (spec toolstack 8). */
export const srMethods: readonly ApiMethod[] = [
  method(['SR.create', created, 'ref'], createSr, noSmConfig),
  method(['SR.introduce', introduced, 'ref'], introduceSr, noSmConfig),
  method(['SR.probe', probed, 'string'], probe, noSmConfig),
  method(['SR.scan', sr, 'void'], (call, { sr: self }) => onPlugged(call, self, 'scan', () => scan(call, self))),
  method(['SR.update', sr, 'void'], (call, { sr: self }) =>
    onPlugged(call, self, 'update', () =>
      fromStorage(self, call.services.storage.SR.stat(dbg(call), srUuid(call, self))),
    ),
  ),
  method(['SR.destroy', sr, 'void'], destroySr),
  method(['SR.forget', sr, 'void'], forgetSr),
  method(['SR.get_supported_types', {}, 'strings'], ({ services: { store } }) =>
    store.refs('SM').map(sm => store.get('SM', sm).type),
  ),
]

/** The driver makes the storage; where it fails nothing is left of the records. */
async function createSr(call: Call, args: Arguments<typeof created>): Promise<Ref> {
  const { store, storage, log } = call.services
  store.get('host', args.host)
  const type = knownType(call, args.type)
  refuseMaster(args.device_config)
  const { name_label, name_description, content_type, shared, sm_config } = args
  const ref = store.create('SR', { name_label, name_description, type, content_type, shared, sm_config })
  const pbd = store.create('PBD', { host: args.host, SR: ref, device_config: args.device_config })
  try {
    await fromStorage(ref, storage.SR.create(dbg(call), srUuid(call, ref), args.physical_size))
  } catch (error) {
    removeRecords(call, ref)
    throw error
  }
  try {
    await plugPbd(call, pbd)
  } catch (error) {
    log.error(`SR ${store.get('SR', ref).uuid} was made but not plugged: ${String(error)}`)
  }
  return ref
}

function introduceSr(call: Call, args: Arguments<typeof introduced>): Ref {
  const type = knownType(call, args.type)
  if (!isUuid(args.uuid)) throw new XapiError('UUID_INVALID', ['SR', args.uuid])
  if (call.services.store.where('SR', 'uuid', args.uuid).length > 0) throw new XapiError('SR_UUID_EXISTS', [args.uuid])
  return call.services.store.create('SR', { ...args, type })
}

function probe(call: Call, args: Arguments<typeof probed>): Promise<string> {
  const { store, storage } = call.services
  store.get('host', args.host)
  const type = knownType(call, args.type)
  const [sm] = store.where('SM', 'type', type)
  const features = sm === undefined ? {} : store.get('SM', sm).features
  if (!Object.hasOwn(features, 'SR_PROBE')) throw new XapiError('SR_OPERATION_NOT_SUPPORTED', [''])
  const { device_config, sm_config } = args
  return fromStorage('', storage.SR.probe(dbg(call), { type, device_config, sm_config }))
}

async function scan(call: Call, self: Ref): Promise<void> {
  const { store, storage } = call.services
  const disks = () => [...store.where('VDI', 'SR', self)].sort().join()
  for (let scans = 0, before = ''; scans < maxScans; scans += 1) {
    before = disks()
    await fromStorage(self, storage.SR.scan(dbg(call), srUuid(call, self)))
    if (disks() === before) break
  }
  await fromStorage(self, storage.SR.stat(dbg(call), srUuid(call, self)))
  const sizes = store.where('VDI', 'SR', self).map(vdi => store.get('VDI', vdi).virtual_size)
  const otherConfig = withoutKey(store.get('SR', self).other_config, 'dirty')
  const allocation = sizes.reduce((sum, size) => sum + size, 0)
  store.update('SR', self, { virtual_allocation: allocation, other_config: otherConfig })
}

/** The driver destroys only what it has attached, and after success there is nothing left to detach (spec smapi 7.2). */
async function destroySr(call: Call, { sr: self }: { sr: Ref }): Promise<void> {
  const { store, storage, operations } = call.services
  await operations.run(call, [{ className: 'SR', ref: self, operation: 'destroy' }], async () => {
    const pbds = store.where('PBD', 'SR', self)
    const show = (attached: boolean) => {
      for (const pbd of pbds) store.update('PBD', pbd, { currently_attached: attached })
    }
    await fromStorage(self, storage.SR.attach(dbg(call), srUuid(call, self)))
    show(true)
    try {
      await fromStorage(self, storage.SR.destroy(dbg(call), srUuid(call, self)))
    } catch (error) {
      await detachAfterFailure(call, self)
      throw error
    } finally {
      show(false)
    }
    removeRecords(call, self)
  })
}

/** The failure that is being reported matters more than another one on the way out. */
async function detachAfterFailure(call: Call, self: Ref): Promise<void> {
  const { storage, log } = call.services
  try {
    await storage.SR.detach(dbg(call), srUuid(call, self))
  } catch (error) {
    log.error(`detaching the SR after it could not be destroyed: ${String(error)}`)
  }
}

async function forgetSr(call: Call, { sr: self }: { sr: Ref }): Promise<void> {
  const mark = { className: 'SR', ref: self, operation: 'forget' } as const
  await call.services.operations.run(call, [mark], () => {
    removeRecords(call, self)
    return Promise.resolve()
  })
}

function onPlugged<T>(call: Call, ref: Ref, operation: string, body: () => Promise<T>): Promise<T> {
  return call.services.operations.run(call, [{ className: 'SR', ref, operation }], () => {
    requirePlugged(call, ref)
    return body()
  })
}

function removeRecords(call: Call, self: Ref): void {
  const { store } = call.services
  for (const vdi of store.where('VDI', 'SR', self)) {
    for (const vbd of store.where('VBD', 'VDI', vdi)) store.remove('VBD', vbd)
    store.remove('VDI', vdi)
  }
  for (const pbd of store.where('PBD', 'SR', self)) store.remove('PBD', pbd)
  store.remove('SR', self)
}

function knownType(call: Call, given: string): string {
  const type = given.toLowerCase()
  if (call.services.store.where('SM', 'type', type).length === 0) throw new XapiError('SR_UNKNOWN_DRIVER', [given])
  return type
}
