import type { VolumeGroup } from '../lvm/VolumeGroup.ts'
import { usingReader } from '../lvm/VolumeReader.ts'
import { asVhdError } from '../vhd/errors.ts'
import { identify, type VhdIdentity } from '../vhd/inspect.ts'
import { readVhd } from '../vhd/VhdImage.ts'
import { VolumeStorage } from './VolumeStorage.ts'

/**
 * Reads a VHD's identity where its volume lies on the physical volumes, active or not.
 * Throws `VhdError` as `inspectVhd`; SmError VDIUnavailable (46) where there is no such volume; LvmError.
 */
export async function inspectVolume(group: VolumeGroup, volume: string): Promise<VhdIdentity> {
  const mapped = await group.mapped(volume)
  return asVhdError(volume, () =>
    usingReader(group.lvm.deps.system.files, async reader =>
      identify(await readVhd(await VolumeStorage.open(reader, mapped), { backupFooter: true })),
    ),
  )
}
