import { SmError } from '../../../lib/smapi/SmError.ts'
import { unpauseVdi } from '../../pause.ts'
import type { FileFamilySR } from '../FileFamilySR.ts'
import { resizeJournalName, revertVhdName, vhdName } from '../layout.ts'
import { correctBase, correctLeaf, footerUuid, forgetUuid, inspectDisk, refOf, undecided } from '../records.ts'
import { undoSplit } from '../split.ts'
import { revertJournal, type RevertRecord } from './journal.ts'
import { correctRecords } from './records.ts'

/**
 * What became of a revert, by the image that bears the target's name: the new one, the old one, or yet another, which
 * means that the disk has lived on since and the journal is stale.
 */
export type RevertOutcome = 'committed' | 'old' | 'stale'

/**
 * Finishes or takes back an interrupted revert (spec file-sr 22.5). Idempotent; runs under the SR lock on the master.
 * The journal stays where something could not be done.
 * @throws SmError VDIUnavailable where it cannot be told what became of it; no image is changed then
 */
export async function recoverRevert(sr: FileFamilySR, target: string, quiesced: boolean): Promise<void> {
  const journal = revertJournal(sr, target)
  const record = await journal.read()
  if (record === undefined) {
    await removeTemporaries(sr, [target])
    await journal.remove()
    return
  }
  sr.context.log.warn(`interrupted revert of VDI ${target} (${record.state}): recovering`)
  const { done } = await settleRevert(sr, record, quiesced)
  if (!done) return
  await journal.remove()
  await sr.context.gc.kick(sr.uuid)
}

/**
 * Brings images and records to one side of the commit and resumes what was paused. `done`: nothing is left for another
 * recovery.
 * @throws SmError VDIUnavailable as `recoverRevert`
 */
export async function settleRevert(
  sr: FileFamilySR,
  record: RevertRecord,
  quiesced: boolean,
): Promise<{ outcome: RevertOutcome; done: boolean }> {
  const outcome = await outcomeOf(sr, record)
  let settled = false
  try {
    if (outcome === 'committed') settled = await finishCommitted(sr, record, quiesced)
    else settled = await takeBack(sr, record)
  } catch (error) {
    sr.context.log.error(`the revert of VDI ${record.target} is left to the next scan: ${String(error)}`)
  }
  const resumed = await resumePaused(sr, record)
  return { outcome, done: settled && resumed }
}

/** @throws SmError VDIUnavailable where the image cannot be read, or is gone and cannot be put back */
export async function outcomeOf(sr: FileFamilySR, record: RevertRecord): Promise<RevertOutcome> {
  if (record.state === 'pausing') return 'old'
  const current = await footerUuid(sr, vhdName(record.target))
  if (current === 'none') return record.state === 'prepared' ? restoreName(sr, record) : 'stale'
  if (current === 'unreadable') {
    // The old image may have been unreadable all along: reverting is how such a disk is repaired.
    if (record.oldTargetVhd !== undefined) throw undecided(record.target)
    return 'old'
  }
  if (current === record.newTargetVhd) return 'committed'
  return current === record.oldTargetVhd ? 'old' : 'stale'
}

/** Back to the old state: temporaries go, and the snapshot gets its image back where nothing was built on it. */
async function takeBack(sr: FileFamilySR, record: RevertRecord): Promise<boolean> {
  if (record.state === 'pausing') return true
  await removeTemporaries(sr, [record.target])
  if (record.hides !== undefined) await followHidden(sr, record.hides)
  if (record.base === undefined || record.oldSnapshotVhd === undefined) return true
  const { snapshot: leaf, base, oldSnapshotVhd: baseVhd } = record
  const split = await undoSplit(sr, { leaf, base, temporary: 'revert', baseVhd })
  if (split === 'undone') await forgetUuid(sr, base)
  if (split === 'kept') await correctBase(sr, base)
  await correctLeafIfPresent(sr, leaf)
  return true
}

/** Hiding a base copy is not taken back: with two children that is what it should be. Its record follows. */
async function followHidden(sr: FileFamilySR, uuid: string): Promise<void> {
  const exists = await sr.context.system.files.exists(sr.file(vhdName(uuid)))
  if (exists && (await inspectDisk(sr, uuid)).hidden) await correctBase(sr, uuid)
}

async function correctLeafIfPresent(sr: FileFamilySR, uuid: string): Promise<void> {
  if (await sr.context.system.files.exists(sr.file(vhdName(uuid)))) await correctLeaf(sr, uuid)
}

async function finishCommitted(sr: FileFamilySR, record: RevertRecord, quiesced: boolean): Promise<boolean> {
  // What made the commit uncertain may have been this very step.
  await sr.context.system.files.syncDirectory(sr.path)
  await removeTemporaries(sr, [record.target, record.snapshot])
  await dropResizeJournal(sr, record.target)
  const { base } = record
  if (base !== undefined && (await inspectDisk(sr, record.target)).parentName === vhdName(base)) {
    await (await sr.vhdUtil()).setHidden(sr.file(vhdName(base)), true)
  }
  return correctRecords(sr, record, { quiesced })
}

/** The resize of an image that is gone is not to be taken back on the one that has its name now. */
export async function dropResizeJournal(sr: FileFamilySR, target: string): Promise<void> {
  const { files } = sr.context.system
  const journal = sr.file(resizeJournalName(target))
  if (!(await files.exists(journal))) return
  await files.unlink(journal)
  await files.syncDirectory(sr.path)
}

/** True where nothing this revert paused is paused any more. */
export async function resumePaused(sr: FileFamilySR, record: RevertRecord): Promise<boolean> {
  let all = true
  for (const uuid of [...record.pausing].reverse()) {
    try {
      const ref = await refOf(sr, uuid)
      if (ref === undefined || !('paused' in (await sr.context.xapi.vdiGetSmConfig(ref)))) continue
      if (!(await unpauseVdi(sr.context, { ref, uuid }))) all = false
    } catch (error) {
      all = false
      sr.context.log.error(`VDI ${uuid} is left paused to the next scan: ${String(error)}`)
    }
  }
  return all
}

/** A temporary image of a disk that has no other is never removed. */
async function removeTemporaries(sr: FileFamilySR, uuids: readonly string[]): Promise<void> {
  const { files } = sr.context.system
  for (const uuid of uuids) {
    if (await files.exists(sr.file(vhdName(uuid)))) await files.unlinkIfPresent(sr.file(revertVhdName(uuid)))
  }
}

/** On NFS a rename over an open file is two operations with a gap between them (spec file-sr 21.3 H11). */
async function restoreName(sr: FileFamilySR, record: RevertRecord): Promise<RevertOutcome> {
  const { files } = sr.context.system
  const name = sr.file(vhdName(record.target))
  const temporary = revertVhdName(record.target)
  if (record.newTargetVhd !== undefined && (await footerUuid(sr, temporary)) === record.newTargetVhd) {
    await files.rename(sr.file(temporary), name)
    await files.syncDirectory(sr.path)
    return 'committed'
  }
  for (const candidate of (await sr.listNames()).filter(entry => entry.startsWith('.nfs'))) {
    if (record.oldTargetVhd === undefined || (await footerUuid(sr, candidate)) !== record.oldTargetVhd) continue
    await files.rename(sr.file(candidate), name)
    await files.syncDirectory(sr.path)
    return 'old'
  }
  // Without a record either, the disk was deleted since.
  if ((await refOf(sr, record.target)) === undefined) return 'stale'
  throw new SmError('VDIUnavailable', `VDI ${record.target} not found, and nothing it could be restored from`)
}
