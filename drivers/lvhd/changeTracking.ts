import { cbtVolume } from '../../lib/lvhd/names.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import type { LvhdFamilySR } from './LvhdFamilySR.ts'

export async function hasChangeLog(sr: LvhdFamilySR, uuid: string): Promise<boolean> {
  return (await sr.group.volume(cbtVolume(uuid))) !== undefined
}

/**
 * Changed block tracking is not built yet: an operation that would leave a change log behind that says too little is
 * refused before anything changes.
 * @throws SmError Unimplemented
 */
export async function refuseChangeTracking(sr: LvhdFamilySR, uuid: string): Promise<void> {
  if (await hasChangeLog(sr, uuid)) throw new SmError('Unimplemented', 'changed block tracking is enabled on the VDI')
}
