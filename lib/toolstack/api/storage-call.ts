import { XapiError, type Ref } from '../../xapi/XapiClient.ts'
import type { Call } from '../Call.ts'
import { BackendError, SrNotAttached, Unimplemented, VdiDoesNotExist } from '../storage/errors.ts'
import type { Dbg, VdiInfo, VdiPlace } from '../storage/Storage.ts'
import { findVdi, placeOf } from '../storage/vdi-info.ts'

/** The commands whose refusal means that the SR's operation does not exist (spec smapi 4.2). */
const srCommands: ReadonlySet<string> = new Set(['sr_create', 'sr_delete', 'sr_scan', 'sr_update'])

export function dbg(call: Call): Dbg {
  return { task: call.task }
}

export function srUuid({ services: { store } }: Call, sr: Ref): string {
  return store.get('SR', sr).uuid
}

export function place({ services: { store } }: Call, vdi: Ref): VdiPlace {
  return placeOf(store, vdi)
}

/** The record of a disk that storage has told of. */
export function refOf(call: Call, sr: Ref, { vdi }: VdiInfo): Ref {
  return findVdi(call.services.store, { sr: srUuid(call, sr), vdi })
}

/** Turns the storage layer's errors into those that clients know (spec toolstack 7). */
export async function fromStorage<T>(sr: Ref, body: Promise<T>): Promise<T> {
  try {
    return await body
  } catch (error) {
    throw clientError(sr, error)
  }
}

function clientError(sr: Ref, error: unknown): unknown {
  if (error instanceof BackendError) return new XapiError(error.code, error.params)
  if (error instanceof VdiDoesNotExist) return new XapiError('HANDLE_INVALID', ['VDI', error.vdi])
  if (error instanceof SrNotAttached) return new XapiError('SR_NOT_ATTACHED', [sr])
  if (!(error instanceof Unimplemented)) return error
  const code = srCommands.has(error.operation) ? 'SR_OPERATION_NOT_SUPPORTED' : 'UNIMPLEMENTED_IN_SM_BACKEND'
  return new XapiError(code, [sr])
}

/** Throws XapiError SR_HAS_NO_PBDS unless this host has the SR plugged. */
export function requirePlugged(call: Call, sr: Ref): void {
  const { store, host } = call.services
  const pbds = store.where('PBD', 'SR', sr).map(pbd => store.get('PBD', pbd))
  if (!pbds.some(pbd => pbd.host === host && pbd.currently_attached)) throw new XapiError('SR_HAS_NO_PBDS', [sr])
}

/** Throws XapiError VDI_NOT_MANAGED for a disk that only the driver uses. */
export function requireManaged(call: Call, vdi: Ref): void {
  if (!call.services.store.get('VDI', vdi).managed) throw new XapiError('VDI_NOT_MANAGED', [vdi])
}
