import { nbdLink, targetOf } from '../../lib/datapath/links.ts'
import type { Context } from '../Context.ts'

/** Whether this host serves a VDI of the request's SR, whatever the VDI's record says. */
export async function isServedHere(context: Context, vdiUuid: string): Promise<boolean> {
  const socket = await targetOf(context.system.files, nbdLink(context.paths, context.request.srUuid, vdiUuid))
  if (socket === undefined) return false
  const { isServed } = await import('./isServed.ts')
  return isServed(context, socket)
}
