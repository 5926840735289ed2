import type { LogicalVolume } from '../../lib/lvm/report.ts'
import { HIDDEN_TAG, rawVolume } from '../../lib/lvhd/names.ts'
import { SMALL_VOLUME } from '../../lib/lvhd/sizes.ts'
import type { LvhdFamilySR } from './LvhdFamilySR.ts'

const CHUNK = 1024 * 1024

/**
 * Grows an inactive raw disk, whose volume is held active. What it gains held other disks before: a `zero` journal keeps the
 * disk closed until it reads as zeroes (spec lvhd 8.1, 14). Steps: 1. journal; 2. the volume grows; 3. zeroes, durable;
 * 4. commit: the journal goes. Until then recovery cuts the volume to its old size again.
 * @throws SmError SRNoSpace; LvmError: the disk has its old size then, or its journal closes it
 */
export async function growRaw(sr: LvhdFamilySR, uuid: string, size: number): Promise<void> {
  const { group } = sr
  const before = await group.require(rawVolume(uuid))
  await sr.requireFree(size - before.size + SMALL_VOLUME)
  await sr.journals.create('zero', uuid, String(before.size))
  try {
    await group.resize(before.name, size)
    await writeZeroes(sr, before, size)
  } catch (error) {
    sr.context.log.error(`VDI ${uuid} is not grown, taking it back: ${String(error)}`)
    group.forget()
    await undoGrowRaw(sr, uuid, String(before.size))
    throw error
  }
  await sr.journals.remove('zero', uuid)
}

/**
 * Gives a raw disk the size back that it had before an interrupted growth, and removes the journal. One of a base copy is the
 * collector's, who goes on where it was stopped (spec gc 9).
 * @throws LvmError; the journal stays then
 */
export async function undoGrowRaw(sr: LvhdFamilySR, uuid: string, value: string): Promise<void> {
  const { group } = sr
  const volume = await group.volume(rawVolume(uuid))
  if (volume?.tags.includes(HIDDEN_TAG) === true) return
  const before = Number(value)
  if (volume !== undefined && Number.isSafeInteger(before) && before > 0 && before < volume.size) {
    await group.resize(volume.name, before)
  }
  await sr.journals.remove('zero', uuid)
}

async function writeZeroes({ group, context }: LvhdFamilySR, before: LogicalVolume, size: number): Promise<void> {
  const { files } = context.system
  const zeroes = Buffer.alloc(CHUNK)
  await files.using(files.openWrite(group.path(before.name)), async file => {
    for (let at = before.size; at < size; at += CHUNK) await file.write(zeroes, at)
    await file.sync()
  })
}
