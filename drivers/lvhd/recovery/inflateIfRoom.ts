import { inflate } from '../../../lib/lvhd/inflate.ts'
import { fullVhdVolumeSize } from '../../../lib/lvhd/sizes.ts'
import { readDisks } from '../disks.ts'
import type { LvhdFamilySR } from '../LvhdFamilySR.ts'

/** Gives the volume of a VHD its full size where that is possible: a smaller one is legal everywhere (spec lvhd 6.3). */
export async function inflateIfRoom(sr: LvhdFamilySR, uuid: string): Promise<void> {
  const disk = (await readDisks(sr, [uuid])).disks.get(uuid)
  if (disk?.type !== 'vhd') return
  const full = fullVhdVolumeSize(disk.virtualSize)
  const { free, extentSize } = await sr.group.report()
  if (full - disk.volume.size + extentSize > free) return
  await sr.activator.hold([{ uuid, volume: disk.volume.name }])
  await inflate(await sr.tools(), uuid, full)
}
