import { isErrno, type Files } from '../os/files.ts'
import type { Ref } from '../xapi/XapiClient.ts'
import { nullRef } from './schema/field.ts'
import type { Store } from './Store.ts'

/** Says which boot of the machine this is; empty where the kernel does not tell. */
export async function readBoot(files: Files): Promise<string> {
  try {
    return (await files.readText('/proc/sys/kernel/random/boot_id')).trim()
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return ''
    throw error
  }
}

/** What was being attached when the process ended was not attached. */
export function forgetReservations(store: Store): void {
  for (const vbd of store.refs('VBD')) {
    if (store.get('VBD', vbd).reserved) store.update('VBD', vbd, { reserved: false })
  }
}

/**
 * Nothing outlives a reboot: no SR is attached, no VM runs. Returns the connections that were plugged, to be plugged
 * again.
 */
export function resetAfterReboot(store: Store): Ref[] {
  for (const vm of store.refs('VM')) {
    const { is_control_domain: isControlDomain, power_state: state } = store.get('VM', vm)
    if (isControlDomain || state === 'Halted' || state === 'Suspended') continue
    store.update('VM', vm, { power_state: 'Halted', resident_on: nullRef })
    for (const vbd of store.where('VBD', 'VM', vm)) store.update('VBD', vbd, { currently_attached: false })
  }
  const plugged = store.refs('PBD').filter(pbd => store.get('PBD', pbd).currently_attached)
  for (const pbd of plugged) store.update('PBD', pbd, { currently_attached: false })
  return plugged
}
