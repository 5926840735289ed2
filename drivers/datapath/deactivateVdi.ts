import { chooseDatapath, datapathOf } from '../../lib/datapath/chooseDatapath.ts'
import { nbdLink, phyLink, targetOf } from '../../lib/datapath/links.ts'
import type { ActivatableVdi } from './ActivatableVdi.ts'
import { isHeldBack, ownHostKey } from './hostKeys.ts'
import { isServed } from './isServed.ts'
import { retrying } from './retrying.ts'

/**
 * vdi_deactivate (spec datapath 4.2): ends the server, which makes everything durable, then takes back what the activation
 * did, last of all the word in the record. Nothing is left to do for a disk that is not active here.
 * @throws SmError VDIUnavailable, TapdiskFailed
 */
export async function deactivateVdi(vdi: ActivatableVdi): Promise<void> {
  const { system, paths, xapi } = vdi.sr.context
  const link = nbdLink(paths, vdi.sr.uuid, vdi.uuid)
  await retrying(vdi, async () => {
    const ref = await xapi.vdiGetByUuid(vdi.uuid)
    const socket = await targetOf(system.files, link)
    // Who paused it is about to rename its image under it.
    if (socket !== undefined && isHeldBack(await xapi.vdiGetSmConfig(ref)) && (await isServed(vdi.sr.context, socket)))
      return false
    await closeHere(vdi)
    await xapi.vdiRemoveFromSmConfig(ref, ownHostKey(vdi.sr.context))
    return true
  })
}

/**
 * Ends what serves a VDI on this host, without a word in its record: there is none for a disk that is attached while xapi is
 * not there. @throws SmError TapdiskFailed
 */
export async function closeHere(vdi: ActivatableVdi): Promise<void> {
  const { system, paths } = vdi.sr.context
  const link = nbdLink(paths, vdi.sr.uuid, vdi.uuid)
  const socket =
    (await targetOf(system.files, link)) ??
    (await (await chooseDatapath(vdi.sr.context)).unlinkedSocket(vdi.sr.uuid, vdi.uuid))
  if (socket !== undefined) {
    await (await datapathOf(vdi.sr.context, socket)).close(socket)
    await vdi.detachImage()
    await system.files.unlinkIfPresent(link)
  }
  await system.files.unlinkIfPresent(phyLink(paths, vdi.sr.uuid, vdi.uuid))
}
