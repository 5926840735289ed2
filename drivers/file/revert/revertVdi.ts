import type { Lock } from '../../../lib/lock/Lock.ts'
import type { Request } from '../../../lib/smapi/Request.ts'
import { SmError } from '../../../lib/smapi/SmError.ts'
import { planRevert, type RevertDecision } from '../../../lib/vhd/revert-plan.ts'
import { quiesce } from '../../gc.ts'
import { pauseVdi } from '../../pause.ts'
import type { FileFamilySR } from '../FileFamilySR.ts'
import type { FileVDI } from '../FileVDI.ts'
import { refusePendingJournals } from '../recovery.ts'
import { executeRevert } from './execute.ts'
import { gatherFacts, type GatheredFacts } from './facts.ts'
import { revertJournal, type RevertRecord } from './journal.ts'
import { correctRecords } from './records.ts'
import { dropResizeJournal, resumePaused, settleRevert } from './recovery.ts'
import { identifyPair, type RevertPair } from '../../revert/target.ts'

/** With the SR lock held and `running` ours, no collector works on the SR. */
const QUIESCED = { quiesced: true }

/**
 * vdi_revert: the target of `args[0]` gets the content of this snapshot and stays the disk it is (spec smapi 8,
 * file-sr 20-24). Under the SR lock, on the master. Up to the commit every failure is taken back; after it the call
 * succeeds, and what could not be finished is left to recovery.
 * @throws SmError see spec smapi 8.6; whatever is not foreseen becomes VDISnapshot, detail `revert …`
 */
export async function revertVdi(snapshot: FileVDI, request: Request): Promise<void> {
  const { sr } = snapshot
  const pair = await identifyPair(snapshot, request)
  await refusePendingJournals(sr, pair.target, { replaced: true })
  requireNoBlocker(decide(await gatherFacts(pair)))
  const running = await quiesce(sr.context, sr.uuid)
  try {
    await revertQuiesced(pair)
  } finally {
    await releaseQuietly(sr, running)
  }
  await sr.context.gc.kick(sr.uuid)
}

/** What a revert would do and what stands in its way, without changing anything. */
export async function explainRevert(
  snapshot: FileVDI,
  request: Request,
): Promise<RevertDecision & { depthBefore: number }> {
  const pair = await identifyPair(snapshot, request)
  const decision = decide(await gatherFacts(pair))
  const target = snapshot.sr.vdi(pair.target)
  const depthBefore = await snapshot.sr
    .embeddedVhd()
    .depth(target.path)
    .catch(() => 0)
  return { ...decision, depthBefore }
}

function decide(gathered: GatheredFacts): RevertDecision {
  return planRevert(gathered.facts)
}

function requireNoBlocker({ blockers: [first] }: RevertDecision): void {
  if (first !== undefined) throw new SmError(first.error, first.detail)
}

/** A lock goes with its process at the latest; a failure to release it says nothing of the revert. */
async function releaseQuietly(sr: FileFamilySR, lock: Lock): Promise<void> {
  try {
    await lock.release()
  } catch (error) {
    sr.context.log.error(`the lock of the collector was not released: ${String(error)}`)
  }
}

async function revertQuiesced(pair: RevertPair<FileVDI>): Promise<void> {
  const { sr } = pair.snapshot
  const gathered = await gatherFacts(pair)
  const decision = decide(gathered)
  requireNoBlocker(decision)
  if (decision.plan.mode !== 'nothing') {
    await revertJournalled(pair, gathered)
    return
  }
  await removeStaleKeys(pair, gathered)
  const corrected = await correctRecords(sr, disksOf(pair), QUIESCED)
  if (!corrected) throw new SmError('VDISnapshot', 'revert: the records could not be corrected')
}

/** Journals, then pauses, decides again on what cannot change any more, executes, and settles the outcome. */
async function revertJournalled(pair: RevertPair<FileVDI>, first: GatheredFacts): Promise<void> {
  const { sr } = pair.snapshot
  const work: Progress = { record: newRecord(pair) }
  try {
    const gathered = await pauseAndDecide(pair, work, decide(first).plan.pausesSnapshot)
    await removeStaleKeys(pair, gathered)
    const { plan } = decide(gathered)
    work.record = startedRecord(work.record, gathered, sr.context.system.newUuid)
    await executeRevert(Object.assign(work, { sr, plan, targetRef: pair.targetRef }))
  } catch (error) {
    await afterFailure(sr, work.record, error)
    return
  }
  await afterCommit(pair, work.record, first.targetRecord.virtual_size)
}

/** What the journal says so far; its `pausing` are the disks that are really paused by us. */
interface Progress {
  record: RevertRecord
}

/** Pauses the target and, where it must not be open, the snapshot, and gathers the facts again. */
async function pauseAndDecide(
  pair: RevertPair<FileVDI>,
  work: Progress,
  pausesSnapshot: boolean,
): Promise<GatheredFacts> {
  const both = [pair.target, pair.snapshot.uuid]
  for (let wanted = pausesSnapshot ? both : [pair.target]; ; wanted = both) {
    await revertJournal(pair.snapshot.sr, pair.target).write({ ...work.record, pausing: wanted })
    for (const uuid of wanted) if (!work.record.pausing.includes(uuid)) await pause(pair, work, uuid)
    const gathered = await gatherFacts(pair, wanted)
    const decision = decide(gathered)
    requireNoBlocker(decision)
    if (wanted === both || !decision.plan.pausesSnapshot) return gathered
  }
}

async function pause(pair: RevertPair<FileVDI>, work: Progress, uuid: string): Promise<void> {
  const { record } = work
  const ref = uuid === pair.target ? pair.targetRef : pair.snapshotRef
  // Noted before the attempt: one that fails half-way has to be taken back too.
  work.record = { ...record, pausing: [...record.pausing, uuid] }
  if (await pauseVdi(pair.snapshot.sr.context, { ref, uuid })) return
  work.record = record
  throw new SmError('VDIUnavailable', `VDI ${uuid} could not be paused`)
}

async function removeStaleKeys(pair: RevertPair<FileVDI>, { staleHostKeys }: GatheredFacts): Promise<void> {
  for (const key of staleHostKeys) await pair.snapshot.sr.context.xapi.vdiRemoveFromSmConfig(pair.targetRef, key)
}

/**
 * Settles a revert that failed: normally takes it back and throws what went wrong; where it turns out to be committed,
 * it succeeded. Where it cannot be settled now the journal stays for recovery.
 */
async function afterFailure(sr: FileFamilySR, record: RevertRecord, cause: unknown): Promise<void> {
  sr.context.log.error(`revert of VDI ${record.target} failed, taking it back: ${String(cause)}`)
  try {
    const { outcome, done } = await settleRevert(sr, record, true)
    if (done) await revertJournal(sr, record.target).remove()
    if (outcome === 'committed') return
  } catch (error) {
    sr.context.log.error(`the failed revert of VDI ${record.target} is left to the next scan: ${String(error)}`)
  }
  // Something was changed, if only for a moment: 38 would make xapi destroy the target.
  const lateRefusal = cause instanceof SmError && cause.errorName === 'Unimplemented'
  throw lateRefusal ? new SmError('VDISnapshot', `revert: ${cause.message}`, { cause }) : cause
}

/** After the commit: no error reaches the caller, what is not done stays in the journal. */
async function afterCommit(pair: RevertPair<FileVDI>, record: RevertRecord, sizeBefore: number): Promise<void> {
  const { sr } = pair.snapshot
  const attempt = async (what: string, step: () => Promise<boolean>): Promise<boolean> => {
    try {
      return await step()
    } catch (error) {
      sr.context.log.error(`VDI ${pair.target} is reverted; ${what} is left to the next scan: ${String(error)}`)
      return false
    }
  }
  const corrected = await attempt('its record', async () => {
    sr.context.system.effects.point('FileSR_revert_after_commit')
    return correctRecords(sr, disksOf(pair), QUIESCED)
  })
  await attempt('the statistics of the SR', async () => {
    const sizeAfter = await (await sr.vhdUtil()).virtualSize(sr.vdi(pair.target).path)
    await sr.adjustStatistics(sizeAfter - sizeBefore)
    return true
  })
  const tidied = await attempt('the journal of a resize', async () => {
    await dropResizeJournal(sr, pair.target)
    return true
  })
  const resumed = await resumePaused(sr, record)
  await attempt('its journal', async () => {
    if (corrected && tidied && resumed) await revertJournal(sr, pair.target).remove()
    return true
  })
}

function newRecord(pair: RevertPair<FileVDI>): RevertRecord {
  const { context } = pair.snapshot.sr
  return {
    version: 1,
    state: 'pausing',
    snapshot: pair.snapshot.uuid,
    target: pair.target,
    pausing: [],
    created: new Date(context.system.now()).toISOString(),
    host: context.request.hostRef ?? '',
  }
}

function startedRecord(record: RevertRecord, gathered: GatheredFacts, newUuid: () => string): RevertRecord {
  const { plan } = decide(gathered)
  const { targetVhd, snapshotVhd, facts } = gathered
  const snapshotParent = facts.chain[1]?.uuid
  const split = snapshotVhd === undefined ? {} : { base: newUuid(), oldSnapshotVhd: snapshotVhd }
  return {
    ...record,
    state: 'started',
    mode: plan.mode === 'split' ? 'split' : 'relink',
    ...(plan.mode === 'split' ? split : {}),
    ...(plan.hideBacking ? { hides: plan.backing } : {}),
    ...(plan.mode === 'split' && snapshotParent !== undefined ? { snapshotParent } : {}),
    ...(targetVhd === undefined ? {} : { oldTargetVhd: targetVhd }),
  }
}

function disksOf({ snapshot, target }: RevertPair<FileVDI>): { snapshot: string; target: string } {
  return { snapshot: snapshot.uuid, target }
}
