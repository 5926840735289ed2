import { SmError } from '../../lib/smapi/SmError.ts'
import { diskActivity } from '../hosts.ts'
import { findVdi } from '../records.ts'
import { readChildren } from './children.ts'
import type { FileVDI } from './FileVDI.ts'
import { refuseChangeTracking } from './preconditions.ts'
import { forgetUuid } from './records.ts'

/**
 * vdi_delete (spec file-sr 9.2). Commit point: the unlink. Stopped after it, the next scan forgets the record.
 * @throws SmError VDIInUse where another disk is built on this one or a host says that it has it open, VDIDelete
 */
export async function deleteVdi(vdi: FileVDI): Promise<void> {
  if (!vdi.present) return
  refuseChangeTracking(vdi)
  if (vdi.kind === 'vhd') await refuseParents(vdi)
  await refuseOpen(vdi)
  const { sr } = vdi
  const { files } = sr.context.system
  try {
    await files.unlinkIfPresent(vdi.path)
    await files.syncDirectory(sr.path)
  } catch (error) {
    throw new SmError('VDIDelete', error instanceof Error ? error.message : String(error), { cause: error })
  }
  const steps = [
    () => forgetUuid(sr, vdi.uuid),
    () => sr.adjustStatistics(-vdi.virtualSize),
    () => sr.context.locks.removeNamespace(vdi.uuid),
  ]
  for (const step of steps) await afterwards(vdi, step)
  await sr.context.gc.kick(sr.uuid)
}

/** The data is gone: what fails now is put right by xapi or the next scan. */
async function afterwards(vdi: FileVDI, step: () => Promise<void>): Promise<void> {
  try {
    await step()
  } catch (error) {
    vdi.sr.context.log.error(`VDI ${vdi.uuid} is deleted, but: ${String(error)}`)
  }
}

/** What a host has open would be written to on, and lost with its last user. A host that does not answer is no obstacle. */
async function refuseOpen({ sr, uuid }: FileVDI): Promise<void> {
  const { context } = sr
  const ref = await findVdi(context.xapi, uuid)
  if (ref === undefined) return
  const smConfig = await context.xapi.vdiGetSmConfig(ref)
  const { openOn } = await diskActivity(context, { uuid, srRef: await sr.srRef(), smConfig })
  if (openOn.length > 0) throw new SmError('VDIInUse', `VDI ${uuid} is open on ${openOn.join(', ')}`)
}

/** Deleting an image under its children would take their content away. */
async function refuseParents(vdi: FileVDI): Promise<void> {
  if ((await readChildren(vdi.sr, vdi.uuid))(vdi.uuid).length > 0) {
    throw new SmError('VDIInUse', `other disks are built on VDI ${vdi.uuid}`)
  }
}
