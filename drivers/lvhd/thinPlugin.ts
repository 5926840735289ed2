import type { StringMap } from '../../lib/xapi/XapiClient.ts'
import { uuidArgument, type HostContext, type HostFunction } from '../hostPlugin.ts'
import type { LvhdVDI } from './LvhdVDI.ts'
import { usingMasterSr } from './masterSr.ts'
import { giveBackHere, provisionHere } from './provisioning.ts'

/**
 * The functions of the host plugin `lvhd-thin`, by which a slave has the master give a volume its full size before a disk
 * is written to (`attach`), and cut it after the disk is closed (`detach`) (spec lvhd 7). Both answer `True`, or fail.
 */
export const thinFunctions: Readonly<Record<string, HostFunction>> = {
  attach: (context, args) => withVdi(context, args, provisionHere),
  detach: (context, args) => withVdi(context, args, vdi => giveBackHere(vdi)),
}

async function withVdi(context: HostContext, args: StringMap, work: (vdi: LvhdVDI) => Promise<void>): Promise<string> {
  const [srUuid, vdiUuid] = [uuidArgument(args, 'srUuid'), uuidArgument(args, 'vdiUuid')]
  await usingMasterSr(context, srUuid, sr => work(sr.vdi(vdiUuid)))
  return 'True'
}
