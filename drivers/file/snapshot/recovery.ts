import { hostsOf, unpauseVdi } from '../../pause.ts'
import { readChildren } from '../children.ts'
import type { FileFamilySR } from '../FileFamilySR.ts'
import { newVhdName, vhdName } from '../layout.ts'
import { correctBase, correctParent, forgetUuid, inspectDisk, refOf } from '../records.ts'
import { undoSplit } from '../split.ts'
import { snapshotJournal, type SnapshotRecord } from './journal.ts'

/** Finishes (committed) or takes back (otherwise) an interrupted snapshot or clone of a disk. Idempotent. */
export async function recoverSnapshot(sr: FileFamilySR, vdi: string): Promise<void> {
  const journal = snapshotJournal(sr, vdi)
  const record = await journal.read()
  if (record !== undefined) {
    sr.context.log.warn(`interrupted snapshot of VDI ${vdi} (${record.state}): recovering`)
    if (record.state === 'started') await rollBackSnapshot(sr, record)
    if (!(await resumeVdi(sr, vdi))) return
  }
  await journal.remove()
}

/** Resumes a disk that a snapshot paused. False, logged, where that fails. */
export async function resumeVdi(sr: FileFamilySR, uuid: string, secondary?: string): Promise<boolean> {
  try {
    const ref = await refOf(sr, uuid)
    if (ref === undefined || !('paused' in (await sr.context.xapi.vdiGetSmConfig(ref)))) return true
    return await unpauseVdi(sr.context, { ref, uuid }, secondary)
  } catch (error) {
    sr.context.log.error(`VDI ${uuid} is left paused to the next scan: ${String(error)}`)
    return false
  }
}

/**
 * Takes back what a snapshot did on disk and in the database; harmless where it did nothing. A destination that is used
 * already stays, and with it the base: then the snapshot counts as made.
 */
export async function rollBackSnapshot(sr: FileFamilySR, record: SnapshotRecord): Promise<void> {
  const { files } = sr.context.system
  const { destination, base, vdi: leaf, baseVhd } = record
  if (destination !== undefined) {
    await files.unlinkIfPresent(sr.file(newVhdName(destination)))
    if (await isUsed(sr, destination)) {
      await correctBase(sr, base)
      await correctParent(sr, leaf)
      return
    }
    await files.unlinkIfPresent(sr.file(vhdName(destination)))
    await forgetUuid(sr, destination)
  }
  if ((await undoSplit(sr, { leaf, base, temporary: 'new', baseVhd })) === 'undone') await forgetUuid(sr, base)
  await files.syncDirectory(sr.path)
  if (await files.exists(sr.file(vhdName(leaf)))) await correctParent(sr, leaf)
}

/** Whether a destination is more than the empty leaf that the snapshot made. */
async function isUsed(sr: FileFamilySR, uuid: string): Promise<boolean> {
  if (!(await sr.context.system.files.exists(sr.file(vhdName(uuid))))) return false
  const image = await inspectDisk(sr, uuid)
  if (image.allocatedBlocks > 0 || (await readChildren(sr))(uuid).length > 0) return true
  const ref = await refOf(sr, uuid)
  return ref !== undefined && hostsOf(await sr.context.xapi.vdiGetSmConfig(ref)).length > 0
}
