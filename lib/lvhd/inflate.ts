import type { VolumeJournals } from '../journal/VolumeJournals.ts'
import type { VolumeGroup } from '../lvm/VolumeGroup.ts'
import type { VhdUtil } from '../vhd/VhdUtil.ts'
import { vhdVolume } from './names.ts'
import { volumeSize } from './sizes.ts'

export interface LvhdTools {
  readonly group: VolumeGroup
  readonly journals: VolumeJournals
  readonly vhd: VhdUtil
}

const FOOTER = 512

/**
 * Grows the volume of a VHD to hold `bytes` and moves the footer to its end, under an `inflate` journal (spec lvhd 7). The
 * volume must be active; nothing happens where it is large enough. Crash points `LVHDRT_inflate_after_…` as the reference's.
 * @throws LvmError `noSpace`, VhdError; the journal stays then, for `undoInflate`
 */
export async function inflate({ group, journals, vhd }: LvhdTools, uuid: string, bytes: number): Promise<void> {
  const { effects } = group.lvm.deps.system
  const volume = vhdVolume(uuid)
  const { size: before } = await group.require(volume)
  const size = volumeSize(bytes)
  if (size <= before) return
  await journals.create('inflate', uuid, String(before))
  effects.point('LVHDRT_inflate_after_create_journal')
  await group.resize(volume, size)
  effects.point('LVHDRT_inflate_after_setSize')
  await zeroEnd(group, volume, size)
  effects.point('LVHDRT_inflate_after_zeroOut')
  await vhd.setPhysicalSize(group.path(volume), size)
  effects.point('LVHDRT_inflate_after_setSizePhys')
  await journals.remove('inflate', uuid)
}

/**
 * Cuts the volume of a VHD to what holds `bytes`, after moving the footer there; the volume must be active. Needs no journal:
 * the VHD is valid at each moment (spec lvhd 7). @throws VhdError EINVAL where that would cut into the data; LvmError
 */
export async function deflate(
  { group, vhd }: Pick<LvhdTools, 'group' | 'vhd'>,
  volume: string,
  bytes: number,
): Promise<void> {
  const size = volumeSize(bytes)
  if (size >= (await group.require(volume)).size) return
  await vhd.setPhysicalSize(group.path(volume), size)
  await group.resize(volume, size)
}

/**
 * Undoes an interrupted `inflate` (spec lvhd 16.1): the volume gets its old size back and a footer at its end. The volume is
 * mapped and made writable for it and left mapped. Nothing happens without such a volume. The caller removes the journal,
 * after whoever else has the volume mapped has taken up its size.
 * @throws LvmError, VhdError where the VHD cannot be read; the journal has to stay then
 */
export async function undoInflate({ group, journals, vhd }: LvhdTools, uuid: string): Promise<void> {
  const before = Number((await journals.ofType('inflate')).get(uuid)?.value)
  const volume = vhdVolume(uuid)
  const found = await group.volume(volume)
  if (found !== undefined && Number.isSafeInteger(before) && before > 0) {
    await group.setWritable(volume, true)
    await group.activate([volume])
    await restore({ group, vhd }, { volume, before, size: found.size })
    await group.setWritable(volume, found.writable)
  }
}

/**
 * The end is zeroed first: what was there before the volume grew must not pose as a footer. A volume that had not grown yet
 * gets its footer anew, which the reference forgets.
 */
async function restore(
  { group, vhd }: Pick<LvhdTools, 'group' | 'vhd'>,
  { volume, before, size }: { volume: string; before: number; size: number },
): Promise<void> {
  await zeroEnd(group, volume, size)
  await vhd.setPhysicalSize(group.path(volume), Math.min(before, size))
  if (before < size) await group.resize(volume, before)
}

async function zeroEnd(group: VolumeGroup, volume: string, size: number): Promise<void> {
  const { files } = group.lvm.deps.system
  await files.using(files.openWrite(group.path(volume)), async file => {
    await file.write(Buffer.alloc(FOOTER), size - FOOTER)
    await file.sync()
  })
}
