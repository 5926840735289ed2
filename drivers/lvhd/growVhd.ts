import { deflate, inflate } from '../../lib/lvhd/inflate.ts'
import { RESIZE_JOURNAL_TAG, resizeJournalVolume } from '../../lib/lvhd/names.ts'
import { fullVhdVolumeSize, RESIZE_JOURNAL_SIZE, SMALL_VOLUME } from '../../lib/lvhd/sizes.ts'
import type { Disk } from './disks.ts'
import type { LvhdFamilySR } from './LvhdFamilySR.ts'
import { recoverResize } from './recovery/recoverResize.ts'

/**
 * Grows an inactive VHD whose volume is held active (spec lvhd 14). In a thick SR the volume grows first, under an `inflate`
 * journal. The tables of nearly every disk have room for any size, and only its footers change: cut off between them, the
 * old size is read or the new one. Where they have none, as in disks from elsewhere, they grow under a journal on a volume
 * of its own, `jvhd_<uuid>`, from which recovery goes back (spec lvhd 16.1).
 * @throws SmError SRNoSpace; LvmError, VhdError: the disk has its old size then, or its journal closes it
 */
export async function growVhd(sr: LvhdFamilySR, disk: Disk, size: number): Promise<void> {
  const vhd = await sr.vhdUtil()
  const path = sr.group.path(disk.volume.name)
  const hasRoom = size <= (await vhd.sizeLimit(path))
  if (!hasRoom || (await sr.allocation()) === 'thick') await enlarge(sr, disk, size, hasRoom ? 0 : RESIZE_JOURNAL_SIZE)
  if (hasRoom) await vhd.resize(path, size)
  else await growTables(sr, disk, size)
}

async function enlarge(sr: LvhdFamilySR, { uuid, volume }: Disk, size: number, more: number): Promise<void> {
  const full = fullVhdVolumeSize(size)
  await sr.requireFree(Math.max(0, full - volume.size) + SMALL_VOLUME + more)
  await inflate(await sr.tools(), uuid, full)
}

/** What fails half-way is taken back at once, as its recovery would. */
async function growTables(sr: LvhdFamilySR, { uuid, volume }: Disk, size: number): Promise<void> {
  const { group, context } = sr
  const journal = resizeJournalVolume(uuid)
  const vhd = await sr.vhdUtil()
  await group.create(journal, RESIZE_JOURNAL_SIZE, [RESIZE_JOURNAL_TAG])
  try {
    await vhd.resize(group.path(volume.name), size, group.path(journal))
  } catch (error) {
    context.log.error(`VDI ${uuid} is not grown, taking it back: ${String(error)}`)
    group.forget()
    await recoverResize(sr, uuid)
    throw error
  }
  await group.remove(journal)
  if ((await sr.allocation()) === 'thin') await giveRoomBack(sr, volume.name)
}

/** The disk is grown; that it keeps more room than it needs is no failure of that. */
async function giveRoomBack(sr: LvhdFamilySR, volume: string): Promise<void> {
  const { group, context } = sr
  const vhd = await sr.vhdUtil()
  try {
    await deflate({ group, vhd }, volume, await vhd.physicalSize(group.path(volume)))
  } catch (error) {
    group.forget()
    context.log.warn(`${volume} keeps its full size: ${String(error)}`)
  }
}
