import { SmError } from '../../lib/smapi/SmError.ts'
import { XapiError } from '../../lib/xapi/XapiClient.ts'
import { childrenByParent } from './garbage.ts'
import type { FileVDI } from './FileVDI.ts'
import { vhdName } from './layout.ts'
import { refuseChangeTracking } from './preconditions.ts'

/**
 * vdi_delete (spec file-sr 9.2). Commit point: the unlink. Stopped after it, the next scan forgets the record.
 * @throws SmError VDIInUse where another disk is built on this one, VDIDelete
 */
export async function deleteVdi(vdi: FileVDI): Promise<void> {
  if (!vdi.present) return
  refuseChangeTracking(vdi)
  if (vdi.kind === 'vhd') await refuseParents(vdi)
  const { sr } = vdi
  const { files } = sr.context.system
  try {
    await files.unlinkIfPresent(vdi.path)
    await files.syncDirectory(sr.path)
  } catch (error) {
    throw new SmError('VDIDelete', error instanceof Error ? error.message : String(error), { cause: error })
  }
  await forget(vdi)
  await sr.adjustStatistics(-vdi.virtualSize)
  await sr.context.locks.removeNamespace(vdi.uuid)
  await sr.context.gc.kick(sr.uuid)
}

/** Deleting an image under its children would take their content away. */
async function refuseParents(vdi: FileVDI): Promise<void> {
  const rows = await (await vdi.sr.vhdUtil()).scan(vdi.sr.path)
  const children = childrenByParent(rows.flatMap(row => ('error' in row ? [] : [row])))
  if (children.has(vhdName(vdi.uuid))) throw new SmError('VDIInUse', `other disks are built on VDI ${vdi.uuid}`)
}

async function forget(vdi: FileVDI): Promise<void> {
  const { xapi } = vdi.sr.context
  try {
    await xapi.vdiDbForget(await xapi.vdiGetByUuid(vdi.uuid))
  } catch (error) {
    const gone = error instanceof XapiError && (error.code === 'UUID_INVALID' || error.code === 'HANDLE_INVALID')
    if (!gone) throw error
  }
}
