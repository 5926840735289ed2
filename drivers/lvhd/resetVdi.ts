import { SmError } from '../../lib/smapi/SmError.ts'
import { vhdVolume } from '../../lib/lvhd/names.ts'
import type { LvhdVDI } from './LvhdVDI.ts'

/**
 * Gives a disk the content of its parent again (`on_boot=reset`, spec lvhd 14).
 * @throws SmError Unimplemented (raw), VDIUnavailable
 */
export async function resetVdi(vdi: LvhdVDI): Promise<void> {
  const { sr } = vdi
  const disk = await vdi.read()
  if (disk.type !== 'vhd') throw new SmError('Unimplemented')
  if (disk.hidden) throw new SmError('VDIUnavailable', 'hidden VDI')
  if (disk.parent === undefined) throw new SmError('VDIUnavailable', `VDI ${vdi.uuid} has no parent to be reset to`)
  await sr.activator.hold([{ uuid: vdi.uuid, volume: disk.volume.name }])
  await (await sr.vhdUtil()).killData(sr.group.path(vhdVolume(vdi.uuid)))
}
