import { XapiError, type Ref } from '../../lib/xapi/XapiClient.ts'
import type { Context } from '../Context.ts'
import { isLive } from '../lvhd/slaves.ts'

/**
 * Has every host take up that the LUN has grown, before volumes can come to lie where a host does not see any disk (spec
 * iscsi-hba 6). False, and nothing may grow, where a live one does not. One that is down will see the size when it attaches.
 */
export async function hostsTakeUpSize(context: Context, hosts: readonly Ref[], scsiId: string): Promise<boolean> {
  const { xapi, log } = context
  for (const host of hosts) {
    try {
      const answer = await xapi.hostCallPlugin(host, 'on-slave', 'refresh_lun_size_by_SCSIid', { SCSIid: scsiId })
      if (answer === 'True') continue
      log.warn(`${host} does not see the new size of ${scsiId}: ${answer}`)
    } catch (error) {
      if (error instanceof XapiError && !(await isLive(context, host))) continue
      log.warn(`${host} does not take up the new size of ${scsiId}: ${String(error)}`)
    }
    return false
  }
  return true
}
