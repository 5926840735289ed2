import { XapiError, type Ref } from '../../xapi/XapiClient.ts'
import type { Call } from '../Call.ts'
import { Unimplemented, type At } from '../storage/Storage.ts'

/** The commands whose refusal means that the SR's operation does not exist (spec smapi 4.2). */
const srCommands: ReadonlySet<string> = new Set(['sr_create', 'sr_delete', 'sr_scan', 'sr_update'])

/** Where a storage call takes place. */
export function at(call: Call, sr: Ref): At {
  return { task: call.task, sr }
}

/** Turns the driver's refusal into the client's error (spec toolstack 7). */
export async function refusing<T>(sr: Ref, body: Promise<T>): Promise<T> {
  try {
    return await body
  } catch (error) {
    if (!(error instanceof Unimplemented)) throw error
    const code = srCommands.has(error.operation) ? 'SR_OPERATION_NOT_SUPPORTED' : 'UNIMPLEMENTED_IN_SM_BACKEND'
    throw new XapiError(code, [sr])
  }
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
