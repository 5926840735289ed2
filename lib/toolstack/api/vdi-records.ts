import { XapiError, type Ref } from '../../xapi/XapiClient.ts'
import type { Call } from '../Call.ts'
import { nullRef } from '../schema/field.ts'
import { isUuid } from './checks.ts'
import { method, type ApiMethod, type Arguments } from './method.ts'

/** Parameters of `VDI.introduce`; `VDI.db_introduce` has one more (spec smapi 10). */
export const introduced = {
  uuid: 'string',
  name_label: 'string',
  name_description: 'string',
  SR: 'ref',
  type: 'string',
  sharable: 'bool',
  read_only: 'bool',
  other_config: 'map',
  location: 'string',
  xenstore_data: 'map',
  sm_config: 'map',
  managed: 'bool',
  virtual_size: 'int',
  physical_utilisation: 'int',
  metadata_of_pool: 'ref',
  is_a_snapshot: 'bool',
  snapshot_time: 'datetime',
  snapshot_of: 'ref',
} as const

const dbIntroduced = { ...introduced, cbt_enabled: 'bool' } as const

/** Records of disks, made and forgotten without their data (spec toolstack 9). */
export const vdiRecordMethods: readonly ApiMethod[] = [
  method(['VDI.db_introduce', dbIntroduced, 'ref'], dbIntroduce, { fallbacks: { cbt_enabled: false } }),
  method(['VDI.db_forget', { vdi: 'ref' }, 'void'], (call, { vdi }) => {
    call.requireSmSession(call.services.store.get('VDI', vdi).SR)
    ejectDiscs(call, vdi)
    call.services.store.remove('VDI', vdi)
  }),
  method(['VDI.forget', { vdi: 'ref' }, 'void'], (call, { vdi }) =>
    call.services.operations.run(call, [{ className: 'VDI', ref: vdi, operation: 'forget' }], () => {
      ejectDiscs(call, vdi)
      call.services.store.remove('VDI', vdi)
      return Promise.resolve()
    }),
  ),
]

function dbIntroduce(call: Call, { cbt_enabled, ...vdi }: Arguments<typeof dbIntroduced>): Ref {
  const { store } = call.services
  store.get('SR', vdi.SR)
  call.requireSmSession(vdi.SR)
  if (!isUuid(vdi.uuid)) throw new XapiError('UUID_INVALID', ['VDI', vdi.uuid])
  requireUniqueLocation(call, vdi.SR, vdi.location)
  return store.create('VDI', { ...vdi, cbt_enabled, on_boot: 'persist', parent: nullRef })
}

/** Throws XapiError LOCATION_NOT_UNIQUE. */
export function requireUniqueLocation(call: Call, sr: Ref, location: string): void {
  const { store } = call.services
  const existing = store.where('VDI', 'location', location).filter(vdi => store.get('VDI', vdi).SR === sr)
  if (existing.length > 0) throw new XapiError('LOCATION_NOT_UNIQUE', [sr, location])
}

/** A drive whose disc is gone is empty; it is not removed. */
function ejectDiscs(call: Call, vdi: Ref): void {
  const { store } = call.services
  for (const vbd of store.where('VBD', 'VDI', vdi)) {
    if (store.get('VBD', vbd).type === 'CD') store.update('VBD', vbd, { VDI: nullRef, empty: true })
  }
}
