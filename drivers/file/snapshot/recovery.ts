import { hostsOf, unpauseVdi } from '../../pause.ts'
import { readChildren } from '../children.ts'
import type { FileFamilySR } from '../FileFamilySR.ts'
import { MAX_CHAIN_DEPTH, newVhdName, rawName, vhdName } from '../layout.ts'
import { correctBase, correctParent, forgetUuid, inspectDisk, parentUuidOf, refOf } from '../records.ts'
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
  if (destination !== undefined && (await mayBeDestination(sr, record, destination))) {
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

/**
 * A journal may be out of date: a destination stands on the base or, where none was made, on an ancestor of the disk. One
 * that has no file yet may only have a record.
 */
async function mayBeDestination(sr: FileFamilySR, { vdi, base }: SnapshotRecord, uuid: string): Promise<boolean> {
  const { files } = sr.context.system
  if (!(await files.exists(sr.file(vhdName(uuid))))) return !(await files.exists(sr.file(rawName(uuid))))
  const parent = parentUuidOf(await inspectDisk(sr, uuid))
  if (parent === undefined || parent === base) return parent === base
  let current: string | undefined = vdi
  for (let depth = 0; depth <= MAX_CHAIN_DEPTH && current !== undefined && current !== parent; depth += 1) {
    const exists: boolean = await files.exists(sr.file(vhdName(current)))
    current = exists ? parentUuidOf(await inspectDisk(sr, current)) : undefined
  }
  return current === parent
}

/** Whether a destination is more than the empty leaf that the snapshot made. */
async function isUsed(sr: FileFamilySR, uuid: string): Promise<boolean> {
  if (!(await sr.context.system.files.exists(sr.file(vhdName(uuid))))) return false
  const image = await inspectDisk(sr, uuid)
  if (image.allocatedBlocks > 0 || (await readChildren(sr))(uuid).length > 0) return true
  const ref = await refOf(sr, uuid)
  return ref !== undefined && hostsOf(await sr.context.xapi.vdiGetSmConfig(ref)).length > 0
}
