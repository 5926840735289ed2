import { rawVolumeSize } from '../../lib/lvhd/sizes.ts'
import { roundVirtualSize } from '../../lib/vhd/virtualSize.ts'
import { isLvmError } from '../../lib/lvm/LvmError.ts'
import { parseSize } from '../../lib/smapi/commands.ts'
import type { Request } from '../../lib/smapi/Request.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import { hostActivity } from '../hosts.ts'
import { refuseChangeTracking } from './changeTracking.ts'
import { growRaw } from './growRaw.ts'
import { growVhd } from './growVhd.ts'
import type { LvhdVDI } from './LvhdVDI.ts'

/**
 * vdi_resize: grows an inactive disk (spec lvhd 14). Cut off anywhere it has its old size or its new one, with all of its
 * content; what it gains reads as zeroes. The records follow, or the next scan has them follow.
 * @throws SmError VDIUnavailable (hidden), VDISize, VDIInUse, SRNoSpace, VDIResize
 */
export async function resizeVdi(vdi: LvhdVDI, request: Request): Promise<void> {
  const { sr } = vdi
  const { xapi } = sr.context
  const disk = await vdi.read()
  if (disk.hidden) throw new SmError('VDIUnavailable', 'hidden VDI')
  const requested = parseSize(request.args[0] ?? '')
  if (requested < disk.virtualSize) throw new SmError('VDISize', 'shrinking not allowed')
  const size = disk.type === 'vhd' ? roundVirtualSize(requested) : rawVolumeSize(requested)
  if (size === disk.virtualSize) return
  await refuseChangeTracking(sr, vdi.uuid)
  await refuseActive(vdi)
  await sr.activator.hold([{ uuid: vdi.uuid, volume: disk.volume.name }])
  try {
    await (disk.type === 'vhd' ? growVhd(sr, disk, size) : growRaw(sr, vdi.uuid, size))
  } catch (error) {
    if (isLvmError(error, 'noSpace')) throw new SmError('SRNoSpace', undefined, { cause: error })
    throw error
  }
  const ref = await xapi.vdiGetByUuid(vdi.uuid)
  await xapi.vdiSetVirtualSize(ref, size)
  await xapi.vdiSetPhysicalUtilisation(ref, (await sr.group.require(disk.volume.name)).size)
  await sr.adjustStatistics(size - disk.virtualSize)
}

async function refuseActive(vdi: LvhdVDI): Promise<void> {
  const { context } = vdi.sr
  const smConfig = await context.xapi.vdiGetSmConfig(await context.xapi.vdiGetByUuid(vdi.uuid))
  const { activeOn } = await hostActivity(context, { uuid: vdi.uuid, srRef: await vdi.sr.srRef(), smConfig })
  if (activeOn.length > 0) {
    const hosts = activeOn.join(', ')
    throw new SmError('VDIInUse', `VDI ${vdi.uuid} is active on ${hosts}: it can only be resized while detached`)
  }
}
