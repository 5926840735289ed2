import { SmError } from '../../../lib/smapi/SmError.ts'
import type { Disk } from '../disks.ts'
import type { LvhdFamilySR } from '../LvhdFamilySR.ts'

/**
 * Disks whose content another is to get are sound, and so are their links; the volumes of their chains are active. What is
 * raw has nothing to prove (spec lvhd 29 P9).
 * @throws SmError VDIUnavailable
 */
export async function proveImages(sr: LvhdFamilySR, disks: readonly Disk[]): Promise<void> {
  const vhd = await sr.vhdUtil()
  for (const { type, volume } of disks) {
    if (type !== 'vhd') continue
    await vhd.check(sr.group.path(volume.name)).catch((error: unknown) => {
      const detail = error instanceof Error ? error.message : String(error)
      throw new SmError('VDIUnavailable', detail, { cause: error })
    })
  }
}
