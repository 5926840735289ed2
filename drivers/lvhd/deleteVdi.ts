import { SmError } from '../../lib/smapi/SmError.ts'
import { findVdi, forgetVdi } from '../records.ts'
import { refuseChangeTracking } from './changeTracking.ts'
import { childrenOf, findVolume, readAllDisks } from './disks.ts'
import type { LvhdVDI } from './LvhdVDI.ts'
import { metadataOf } from './metadata.ts'
import { requireClosedEverywhere } from './provisioning.ts'

/**
 * vdi_delete (spec lvhd 14). Steps: 1. the metadata entry, which must not outlive the volume (spec lvhd 9.3); 2. commit:
 * remove the volume; 3. record, references, statistics. Stopped after 1, the next scan adds the entry again; after 2 it
 * forgets the record. Without a volume nothing is done.
 * @throws SmError VDIDelete (a base copy, or the volume is open here), VDIInUse where another disk is built on it or a host
 * has it open
 */
export async function deleteVdi(vdi: LvhdVDI): Promise<void> {
  const { sr } = vdi
  const { xapi, log } = sr.context
  const found = await findVolume(sr, vdi.uuid)
  if (found === undefined) return
  await refuseChangeTracking(sr, vdi.uuid)
  const ref = await findVdi(xapi, vdi.uuid)
  if (ref !== undefined && !(await xapi.vdiGetManaged(ref))) {
    throw new SmError('VDIDelete', 'Deleting non-leaf node not permitted')
  }
  if (ref !== undefined) await requireClosedEverywhere(vdi, ref)
  const disks = await readAllDisks(sr, vdi.uuid)
  if (childrenOf(disks, vdi.uuid).length > 0) throw new SmError('VDIInUse', `other disks are built on VDI ${vdi.uuid}`)
  const size = disks.disks.get(vdi.uuid)?.virtualSize ?? found.volume.size
  if (!(await sr.isLegacy())) await sr.metadata.delete(vdi.uuid)
  try {
    await sr.group.remove(found.volume.name)
  } catch (error) {
    if (await isStillThere(vdi)) {
      await restoreEntry(vdi)
      throw new SmError('VDIDelete', error instanceof Error ? error.message : String(error), { cause: error })
    }
    log.warn(`the volume of VDI ${vdi.uuid} is gone although LVM reported ${String(error)}`)
  }
  const steps = [
    () => forgetVdi(xapi, vdi.uuid),
    () => sr.references.write(vdi.uuid, { count: 0, binary: 0 }),
    () => sr.adjustStatistics(-size),
    () => sr.context.locks.removeNamespace(vdi.uuid),
  ]
  for (const step of steps) await afterwards(vdi, step)
  await sr.context.gc.kick(sr.uuid)
}

/** A failed command proves nothing. */
async function isStillThere(vdi: LvhdVDI): Promise<boolean> {
  vdi.sr.group.forget()
  return (await findVolume(vdi.sr, vdi.uuid)) !== undefined
}

async function restoreEntry(vdi: LvhdVDI): Promise<void> {
  const { sr } = vdi
  await afterwards(vdi, async () => {
    const records = await sr.context.xapi.vdiRecordsOfSr(await sr.srRef())
    const record = [...records.values()].find(({ uuid }) => uuid === vdi.uuid)
    if (record !== undefined && !(await sr.isLegacy())) await sr.metadata.add(metadataOf(record, records))
  })
}

/** What fails here is put right by xapi or the next scan. */
async function afterwards(vdi: LvhdVDI, step: () => Promise<void>): Promise<void> {
  try {
    await step()
  } catch (error) {
    vdi.sr.context.log.error(`deleting VDI ${vdi.uuid}: ${String(error)}`)
  }
}
