import { inflate } from '../../lib/lvhd/inflate.ts'
import { fullVhdVolumeSize, rawVolumeSize, roundVirtualSize, SMALL_VOLUME } from '../../lib/lvhd/sizes.ts'
import { isLvmError } from '../../lib/lvm/LvmError.ts'
import { parseSize } from '../../lib/smapi/commands.ts'
import type { Request } from '../../lib/smapi/Request.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import { hostActivity } from '../hosts.ts'
import { refuseChangeTracking } from './changeTracking.ts'
import type { Disk } from './disks.ts'
import type { LvhdVDI } from './LvhdVDI.ts'

const CHUNK = 1024 * 1024

/**
 * vdi_resize: grows an inactive disk (spec lvhd 14). The volume of a VHD grows first, under an `inflate` journal, in a thick
 * SR; then its footers tell the new size. The room that a raw disk gains reads as zeroes.
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
    await (disk.type === 'vhd' ? growVhd(vdi, disk, size) : growRaw(vdi, disk, size))
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

async function growVhd(vdi: LvhdVDI, disk: Disk, size: number): Promise<void> {
  const { sr } = vdi
  const tools = await sr.tools()
  const path = sr.group.path(disk.volume.name)
  if ((await sr.allocation()) === 'thick') {
    const full = fullVhdVolumeSize(size)
    if (full > disk.volume.size) await sr.requireFree(full - disk.volume.size + SMALL_VOLUME)
    await inflate(tools, vdi.uuid, full)
  }
  // The tables have room for every size there may be: only the footers change, and no journal is made.
  await tools.vhd.resize(path, size, `${path}.journal`)
}

async function growRaw(vdi: LvhdVDI, disk: Disk, size: number): Promise<void> {
  const { group, context } = vdi.sr
  await vdi.sr.requireFree(size - disk.volume.size)
  await group.resize(disk.volume.name, size)
  const { files } = context.system
  await files.using(files.openWrite(group.path(disk.volume.name)), async file => {
    for (let at = disk.volume.size; at < size; at += CHUNK) await file.write(Buffer.alloc(CHUNK), at)
    await file.sync()
  })
}
