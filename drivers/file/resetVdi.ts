import { SmError } from '../../lib/smapi/SmError.ts'
import type { FileVDI } from './FileVDI.ts'

/**
 * The disk goes back to the content of its parent, for a VM that starts afresh at each boot (spec file-sr 10). It happens
 * under the SR lock: in the middle of a snapshot the disk's file is also that of the base, which then would be emptied.
 * @throws SmError Unimplemented (FileSR, raw), VDIUnavailable where the disk has no parent or is hidden
 */
export async function resetVdi(vdi: FileVDI): Promise<void> {
  if (!vdi.sr.hasOwnFileSystem || vdi.kind !== 'vhd') throw new SmError('Unimplemented')
  const lock = await vdi.sr.context.locks.lock(vdi.sr.uuid, 'sr')
  try {
    await vdi.reload()
    await dropData(vdi)
  } finally {
    await lock.release()
  }
}

async function dropData(vdi: FileVDI): Promise<void> {
  if (vdi.hidden) throw new SmError('VDIUnavailable', 'hidden VDI')
  if (vdi.parent === undefined) throw new SmError('VDIUnavailable', `VDI ${vdi.uuid} has no parent to be reset to`)
  await (await vdi.sr.vhdUtil()).killData(vdi.path)
}
