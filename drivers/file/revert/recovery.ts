import { SmError } from '../../../lib/smapi/SmError.ts'
import { inspectVhd } from '../../../lib/vhd/inspect.ts'
import { unpauseVdi } from '../../pause.ts'
import type { FileFamilySR } from '../FileFamilySR.ts'
import { revertVhdName, vhdName } from '../layout.ts'
import { refOf } from '../snapshot/recovery.ts'
import { undoSplit } from '../split.ts'
import { revertJournal, type RevertRecord } from './journal.ts'
import { correctRecords } from './records.ts'

/**
 * Finishes or takes back an interrupted revert (spec file-sr 22.5). The image under the target's name decides: the new
 * one means committed. Idempotent; runs under the SR lock on the master.
 * @throws SmError VDIUnavailable where the target's image is gone and cannot be put back; nothing is changed then
 */
export async function recoverRevert(sr: FileFamilySR, target: string): Promise<void> {
  const journal = revertJournal(sr, target)
  const record = await journal.read()
  if (record === undefined) {
    await removeTemporaries(sr, [target])
    await journal.remove()
    return
  }
  sr.context.log.warn(`interrupted revert of VDI ${target} (${record.state}): recovering`)
  const committed = await isCommitted(sr, record)
  const corrected = committed ? await finish(sr, record) : await takeBack(sr, record)
  const resumed = await resumePaused(sr, record)
  if (corrected && resumed) {
    await journal.remove()
    await sr.context.gc.kick(sr.uuid)
  }
}

/** Whether the target's name has its new image. Puts an image back where the name has none. */
export async function isCommitted(sr: FileFamilySR, record: RevertRecord): Promise<boolean> {
  const current = await footerUuid(sr, vhdName(record.target))
  if (current !== 'missing') return record.newTargetVhd !== undefined && current === record.newTargetVhd
  return restoreName(sr, record)
}

/** Before the commit: back to the old state, in which only the pause keys are left to remove. */
export async function takeBack(sr: FileFamilySR, record: RevertRecord): Promise<boolean> {
  if (record.state === 'pausing') return true
  await removeTemporaries(sr, [record.target, record.snapshot])
  if (record.base === undefined) return true
  const undone = await undoSplit(sr, { leaf: record.snapshot, base: record.base, temporary: 'revert' })
  const ref = undone ? await refOf(sr, record.base) : undefined
  if (ref !== undefined) await sr.context.xapi.vdiDbForget(ref)
  return true
}

async function finish(sr: FileFamilySR, record: RevertRecord): Promise<boolean> {
  await sr.context.system.files.syncDirectory(sr.path)
  await removeTemporaries(sr, [record.target, record.snapshot])
  if (record.base !== undefined) {
    const base = sr.file(vhdName(record.base))
    if (await sr.context.system.files.exists(base)) await (await sr.vhdUtil()).setHidden(base, true)
  }
  return correctRecords(sr, record)
}

/** True where nothing this revert paused is paused any more. */
export async function resumePaused(sr: FileFamilySR, record: RevertRecord): Promise<boolean> {
  let all = true
  for (const uuid of [...record.pausing].reverse()) {
    const ref = await refOf(sr, uuid)
    if (ref === undefined) continue
    if ('paused' in (await sr.context.xapi.vdiGetSmConfig(ref))) {
      all = (await unpauseVdi(sr.context, { ref, uuid })) && all
    }
  }
  return all
}

async function removeTemporaries(sr: FileFamilySR, uuids: readonly string[]): Promise<void> {
  for (const uuid of uuids) await sr.context.system.files.unlinkIfPresent(sr.file(revertVhdName(uuid)))
}

/** On NFS a rename over an open file is two operations with a gap between them (spec file-sr 21.3 H11). */
async function restoreName(sr: FileFamilySR, record: RevertRecord): Promise<boolean> {
  const { files } = sr.context.system
  const name = sr.file(vhdName(record.target))
  if (
    record.newTargetVhd !== undefined &&
    (await footerUuid(sr, revertVhdName(record.target))) === record.newTargetVhd
  ) {
    await files.rename(sr.file(revertVhdName(record.target)), name)
    await files.syncDirectory(sr.path)
    return true
  }
  for (const candidate of (await sr.listNames()).filter(entry => entry.startsWith('.nfs'))) {
    if (record.oldTargetVhd === undefined || (await footerUuid(sr, candidate)) !== record.oldTargetVhd) continue
    await files.rename(sr.file(candidate), name)
    await files.syncDirectory(sr.path)
    return false
  }
  // Without a record either, the disk was deleted since: the journal is stale.
  if ((await refOf(sr, record.target)) === undefined) return false
  throw new SmError('VDIUnavailable', `VDI ${record.target} not found, and nothing it could be restored from`)
}

async function footerUuid(sr: FileFamilySR, name: string): Promise<string> {
  const { files } = sr.context.system
  if (!(await files.exists(sr.file(name)))) return 'missing'
  try {
    return (await inspectVhd(files, sr.file(name), { backupFooter: true })).uuid
  } catch (error) {
    sr.context.log.warn(`${name} cannot be read: ${String(error)}`)
    return 'unreadable'
  }
}
