import { chooseDatapath, datapathOf } from '../../lib/datapath/chooseDatapath.ts'
import { nbdLink, targetOf } from '../../lib/datapath/links.ts'
import type { HostFunction } from '../hostPlugin.ts'
import { uuidArgument } from '../hostPlugin.ts'

/** `is_open` of the host plugin `on-slave`: whether this host serves a VDI (spec datapath 7). `True` or `False`. */
export const isOpen: HostFunction = async (context, args) => {
  const vdiUuid = uuidArgument(args, 'vdiUuid')
  const srUuid = await context.xapi.srGetUuid(args['srRef'] ?? '')
  const link = nbdLink(context.paths, srUuid, vdiUuid)
  const socket =
    (await targetOf(context.system.files, link)) ??
    (await (await chooseDatapath(context)).unlinkedSocket(srUuid, vdiUuid))
  if (socket === undefined) return 'False'
  return (await (await datapathOf(context, socket)).serving(socket)) === undefined ? 'False' : 'True'
}
