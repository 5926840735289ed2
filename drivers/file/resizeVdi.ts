import { parseSize } from '../../lib/smapi/commands.ts'
import type { Request } from '../../lib/smapi/Request.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import { roundVirtualSize } from '../../lib/vhd/virtualSize.ts'
import { diskActivity } from '../hosts.ts'
import type { FileVDI } from './FileVDI.ts'
import { resizeJournalName } from './layout.ts'
import { refuseChangeTracking } from './preconditions.ts'
import { correctRecord } from './updateVdi.ts'

/**
 * vdi_resize: grows an inactive VHD (spec file-sr 10). The VHD tool journals the change in `.journal-<uuid>`; recovery
 * undoes what it finds there.
 * @throws SmError Unimplemented (raw), VDIUnavailable (hidden), VDISize, VDIResize, VDIInUse
 */
export async function resizeVdi(vdi: FileVDI, request: Request): Promise<void> {
  if (vdi.kind !== 'vhd') throw new SmError('Unimplemented')
  if (vdi.hidden) throw new SmError('VDIUnavailable', 'hidden VDI')
  const requested = parseSize(request.args[0] ?? '')
  if (requested < vdi.virtualSize) throw new SmError('VDISize', 'shrinking not allowed')
  if (requested === vdi.virtualSize) return
  const size = roundVirtualSize(requested)
  if (size === vdi.virtualSize) return
  refuseChangeTracking(vdi)
  await refuseActive(vdi)
  const before = vdi.virtualSize
  await grow(vdi, size)
  await vdi.reload()
  await correctRecord(vdi)
  await vdi.sr.adjustStatistics(vdi.virtualSize - before)
}

async function refuseActive(vdi: FileVDI): Promise<void> {
  const { context } = vdi.sr
  const smConfig = await context.xapi.vdiGetSmConfig(await context.xapi.vdiGetByUuid(vdi.uuid))
  const { activeOn } = await diskActivity(context, { uuid: vdi.uuid, srRef: await vdi.sr.srRef(), smConfig })
  if (activeOn.length > 0) {
    throw new SmError(
      'VDIInUse',
      `VDI ${vdi.uuid} is active on ${activeOn.join(', ')}: it can only be resized while detached`,
    )
  }
}

async function grow(vdi: FileVDI, size: number): Promise<void> {
  const { files } = vdi.sr.context.system
  const tool = await vdi.sr.vhdUtil()
  const journal = vdi.sr.file(resizeJournalName(vdi.uuid))
  try {
    await tool.resize(vdi.path, size, journal)
    await files.syncDirectory(vdi.sr.path)
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error)
    if (!(await files.exists(journal))) throw new SmError('VDIResize', cause, { cause: error })
    await tool.revertResize(vdi.path, journal)
    throw new SmError('VDISize', 'resize operation failed', { cause: error })
  }
}
