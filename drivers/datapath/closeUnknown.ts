import { chooseDatapath, datapathOf } from '../../lib/datapath/chooseDatapath.ts'
import { linkNames, nbdLink, targetOf } from '../../lib/datapath/links.ts'
import type { SR } from '../SR.ts'

/**
 * Ends servers of an SR's disks that no VDI's link leads to, and removes links that lead to no server any more: what
 * processes leave that are killed in an activation or with their host. Returns the uuids of the VDIs that are served.
 */
export async function closeUnknown(sr: SR): Promise<ReadonlySet<string>> {
  const { context } = sr
  const { files } = context.system
  const served = new Map<string, string>()
  for (const uuid of await linkNames(files, context.paths.nbdLinks, sr.uuid)) {
    const link = nbdLink(context.paths, sr.uuid, uuid)
    const socket = await targetOf(files, link)
    if (socket === undefined) continue
    if ((await (await datapathOf(context, socket)).serving(socket)) === undefined) await files.unlinkIfPresent(link)
    else served.set(uuid, socket)
  }
  await (await chooseDatapath(context)).closeOrphans(sr.uuid, new Set(served.values()))
  return new Set(served.keys())
}
