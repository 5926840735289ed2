import type { VolumeGroup } from '../lvm/VolumeGroup.ts'
import { usingReader } from '../lvm/VolumeReader.ts'
import { asVhdError } from '../vhd/errors.ts'
import { identify, type VhdIdentity } from '../vhd/inspect.ts'
import { FOOTER_SIZE } from '../vhd/layout.ts'
import { readVhd, type VhdImage } from '../vhd/VhdImage.ts'
import { VolumeStorage } from './VolumeStorage.ts'

/** What a VHD on a volume says of itself, and the bytes of the volume that it needs at least. */
export interface VolumeIdentity extends VhdIdentity {
  readonly physicalSize: number
}

/**
 * Reads a VHD's identity where its volume lies on the physical volumes, active or not.
 * Throws `VhdError` as `inspectVhd`; SmError VDIUnavailable (46) where there is no such volume; LvmError.
 */
export async function inspectVolume(group: VolumeGroup, volume: string): Promise<VolumeIdentity> {
  const mapped = await group.mapped(volume)
  return asVhdError(volume, () =>
    usingReader(group.lvm.deps.system.files, async reader => {
      const image = await readVhd(await VolumeStorage.open(reader, mapped), { backupFooter: true })
      return { ...(await identify(image)), physicalSize: await physicalSize(image) }
    }),
  )
}

/**
 * Whether a VHD is sound as far as it shows by itself, read where its volume lies: its parent is not looked for. Throws
 * `VhdError` EINVAL with the first defect; SmError VDIUnavailable (46) where there is no such volume; LvmError.
 */
export async function checkVolume(group: VolumeGroup, volume: string): Promise<void> {
  const { checkAlone } = await import('../vhd/check.ts')
  const { files, now } = group.lvm.deps.system
  const mapped = await group.mapped(volume)
  await asVhdError(volume, () =>
    usingReader(files, async reader => checkAlone(await VolumeStorage.open(reader, mapped), { now: now() })),
  )
}

async function physicalSize(image: VhdImage): Promise<number> {
  if (image.isFixed) return image.virtualSize + FOOTER_SIZE
  return image.endOfData(await image.readTable(), await image.readBatmap()) + FOOTER_SIZE
}
