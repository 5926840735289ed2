import { deflate } from '../../../lib/lvhd/inflate.ts'
import { resizeJournalVolume, vhdVolume } from '../../../lib/lvhd/names.ts'
import { fullVhdVolumeSize } from '../../../lib/lvhd/sizes.ts'
import { VhdError } from '../../../lib/vhd/VhdUtil.ts'
import type { LvhdFamilySR } from '../LvhdFamilySR.ts'
import { refreshActions } from '../slaves.ts'

/**
 * Undoes an interrupted resize of a VHD whose tables had to grow, from the journal that the VHD tool keeps in a volume of
 * its own (spec lvhd 16.1, vhd 9). Where the tool cannot, but the disk is whole, nothing had been changed.
 * @throws VhdError where the disk is neither; the journal stays
 */
export async function recoverResize(sr: LvhdFamilySR, uuid: string): Promise<void> {
  const { group } = sr
  const journal = resizeJournalVolume(uuid)
  const volume = await group.volume(vhdVolume(uuid))
  if (volume !== undefined) {
    sr.context.log.warn(`VDI ${uuid}: an interrupted resize; undoing it`)
    // A base copy that the collector was growing may be read-only, and is so again also where the undo fails.
    await group.setWritable(volume.name, true)
    try {
      await sr.activator.hold([{ uuid, volume: volume.name }])
      await group.activate([journal])
      await revert(sr, uuid)
    } finally {
      await group.setWritable(volume.name, volume.writable)
    }
    await sr.tellHosts(await sr.otherHosts(), refreshActions(uuid, volume.name))
  }
  await group.remove(journal)
}

async function revert(sr: LvhdFamilySR, uuid: string): Promise<void> {
  const { group } = sr
  const vhd = await sr.vhdUtil()
  const volume = vhdVolume(uuid)
  const path = group.path(volume)
  await growBack(sr, volume)
  try {
    // Of what the reference's tool leaves, ours also finishes what had been committed.
    const embedded = sr.context.embeddedVhd({ group: group.name })
    await embedded.revertResize(path, group.path(resizeJournalVolume(uuid)))
  } catch (error) {
    sr.context.log.warn(`the resize of VDI ${uuid} is not undone: ${String(error)}`)
    await vhd.check(path, { allowMissingEndFooter: true })
  }
  await vhd.setPhysicalSize(path, (await group.require(volume)).size)
  const isThick = (await sr.allocation()) === 'thick'
  const least = isThick ? fullVhdVolumeSize(await vhd.virtualSize(path)) : await vhd.physicalSize(path)
  await deflate({ group, vhd }, volume, least)
}

/**
 * The undo may write behind what an earlier recovery has cut the volume to. Without a journal of that: this one closes the
 * disk as well. A disk in the middle of its resize cannot tell its size; its volume was grown before and not cut since.
 */
async function growBack(sr: LvhdFamilySR, volume: string): Promise<void> {
  const { group, context } = sr
  const vhd = await sr.vhdUtil()
  let full: number
  try {
    full = fullVhdVolumeSize(await vhd.virtualSize(group.path(volume)))
  } catch (error) {
    if (!(error instanceof VhdError)) throw error
    context.log.info(`${volume} is in the middle of a resize: ${String(error)}`)
    return
  }
  if (full > (await group.require(volume)).size) await group.resize(volume, full)
}
