import { isServiceRunning, type Service } from '../os/services.ts'
import type { System } from '../os/system.ts'

/** The daemon that keeps sessions alive. */
export const ISCSID: Service = { name: 'iscsid', stop: ['iscsiadm', '-k', '0'] }

export function isDaemonRunning(system: System): Promise<boolean> {
  return isServiceRunning(system, ISCSID)
}
