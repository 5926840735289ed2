import { chooseDatapath, datapathOf } from '../../lib/datapath/chooseDatapath.ts'
import { nbdLink, phyLink, placeLink, targetOf } from '../../lib/datapath/links.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import { HeldUpError, type ActivatableVdi, type LocalImage } from './ActivatableVdi.ts'
import { endTagging, type Mode, tagActivation, type TaggedVdi, untag } from './hostKeys.ts'
import { isServed } from './isServed.ts'
import { retrying } from './retrying.ts'

/** What a VDI is opened with. */
export interface ActivationOptions {
  readonly writable: boolean
  /** Whether reads and writes go past the host's cache. */
  readonly direct: boolean
}

/**
 * vdi_activate (spec datapath 4.1). From its return on the name that vdi_attach gave leads to a server of the disk.
 *
 * 1. The record says that this host opens it, and that is seen by whoever pauses it.
 * 2. The image is made accessible and the host's name for it placed.
 * 3. A server opens it.
 * 4. The public name leads to the server. A process that is killed before leaves a server that no name leads to; the next
 *    activation, or sr_attach, ends it.
 *
 * @throws SmError VDIUnavailable, TapdiskFailed, TapdiskAlreadyRunning
 */
export async function activateVdi(vdi: ActivatableVdi, options: ActivationOptions): Promise<void> {
  const { context } = vdi.sr
  const tagged: TaggedVdi = {
    ref: await context.xapi.vdiGetByUuid(vdi.uuid),
    uuid: vdi.uuid,
    srRef: context.request.srRef ?? (await context.xapi.srGetByUuid(vdi.sr.uuid)),
  }
  const mode: Mode = options.writable ? 'RW' : 'RO'
  await retrying(vdi, async () => {
    if (!(await tagActivation(context, tagged, mode))) return false
    try {
      await openHere(vdi, options)
      return true
    } catch (error) {
      await untag(context, tagged)
      if (!(error instanceof HeldUpError)) throw error
      context.log.warn(`VDI ${vdi.uuid} has to wait: ${String(error)}`)
      return false
    } finally {
      await endTagging(context, tagged)
    }
  })
}

/** Makes a VDI active without a word in its record. As `activateVdi`, steps 2 to 4. */
export async function openHere(vdi: ActivatableVdi, options: ActivationOptions): Promise<void> {
  const { system, paths, log } = vdi.sr.context
  const link = nbdLink(paths, vdi.sr.uuid, vdi.uuid)
  const before = await targetOf(system.files, link)
  if (before !== undefined) {
    await refuseServed(vdi, before)
    await system.files.unlink(link)
  }
  const image = await vdi.attachImage(options.writable)
  let socket: string | undefined
  try {
    await placeLink(system.files, phyLink(paths, vdi.sr.uuid, vdi.uuid), image.path)
    socket = await serve(vdi, image, options)
    await placeLink(system.files, link, socket)
  } catch (error) {
    // What nobody can find must not keep the image open.
    if (socket !== undefined) await (await datapathOf(vdi.sr.context, socket)).close(socket)
    await vdi.detachImage().catch((second: unknown) => {
      log.error(`VDI ${vdi.uuid}: undoing its activation: ${String(second)}`)
    })
    await system.files.unlinkIfPresent(phyLink(paths, vdi.sr.uuid, vdi.uuid))
    throw error
  }
}

/** Makes a VDI active while xapi is not there; one that is already stays as it is. @throws SmError as `openHere` */
export async function openUnrecorded(vdi: ActivatableVdi, options: ActivationOptions): Promise<void> {
  const { system, paths, locks } = vdi.sr.context
  const lock = await locks.lock(vdi.uuid, 'vdi')
  try {
    const socket = await targetOf(system.files, nbdLink(paths, vdi.sr.uuid, vdi.uuid))
    if (socket !== undefined && (await isServed(vdi.sr.context, socket))) return
    await openHere(vdi, options)
  } finally {
    await lock.release()
  }
}

/** Taking the name from a server that runs would leave it unknown, and its disk open. @throws SmError TapdiskAlreadyRunning */
async function refuseServed(vdi: ActivatableVdi, socket: string): Promise<void> {
  if (await isServed(vdi.sr.context, socket))
    throw new SmError('TapdiskAlreadyRunning', `VDI ${vdi.uuid} is served already`)
}

async function serve(vdi: ActivatableVdi, image: LocalImage, { writable, direct }: ActivationOptions): Promise<string> {
  const { context } = vdi.sr
  const datapath = await chooseDatapath(context)
  try {
    return await datapath.open({
      ...image,
      srUuid: vdi.sr.uuid,
      vdiUuid: vdi.uuid,
      readOnly: !writable,
      direct,
      writeThrough: process.env['SM_NBD_WRITE_THROUGH'] === 'true',
    })
  } catch (error) {
    if (error instanceof SmError) throw error
    throw new SmError('VDIUnavailable', error instanceof Error ? error.message : String(error), { cause: error })
  }
}
