import type { Lock } from '../../../lib/lock/Lock.ts'
import type { Request } from '../../../lib/smapi/Request.ts'
import { SmError } from '../../../lib/smapi/SmError.ts'
import { planRevert, type RevertDecision } from '../../../lib/vhd/revert-plan.ts'
import { hostsOf, pauseVdi } from '../../pause.ts'
import type { FileFamilySR } from '../FileFamilySR.ts'
import type { FileVDI } from '../FileVDI.ts'
import { executeRevert } from './execute.ts'
import { gatherFacts, type GatheredFacts } from './facts.ts'
import { revertJournal, type RevertRecord } from './journal.ts'
import { correctRecords } from './records.ts'
import { resumePaused, takeBack } from './recovery.ts'
import { knownSnapshot, resolveTarget, type KnownVdi } from './target.ts'

interface Revert {
  readonly snapshot: FileVDI
  readonly known: { readonly snapshot: KnownVdi; readonly target: KnownVdi }
}

/**
 * vdi_revert: the target of `args[0]` gets the content of this snapshot and stays the disk it is (spec smapi 8,
 * file-sr 20-24). Under the SR lock, on the master. Up to the commit every failure is taken back; after it the call
 * succeeds, and what could not be finished is left to recovery.
 * @throws SmError see spec smapi 8.6; whatever is not foreseen becomes VDISnapshot, detail `revert …`
 */
export async function revertVdi(snapshot: FileVDI, request: Request): Promise<void> {
  const revert = await identify(snapshot, request)
  requireNoBlocker(decide(await gather(revert, false)))
  const running = await stopCollector(snapshot.sr)
  try {
    await revertQuiesced(revert)
  } finally {
    await running.release()
  }
  await snapshot.sr.context.gc.kick(snapshot.sr.uuid)
}

/** What a revert would do and what stands in its way, without changing anything. */
export async function explainRevert(
  snapshot: FileVDI,
  request: Request,
): Promise<RevertDecision & { depthBefore: number }> {
  const revert = await identify(snapshot, request)
  const gathered = await gather(revert, false)
  const target = snapshot.sr.vdi(revert.known.target.record.uuid)
  const depthBefore = await snapshot.sr
    .embeddedVhd()
    .depth(target.path)
    .catch(() => 0)
  return { ...decide(gathered), depthBefore }
}

async function identify(snapshot: FileVDI, request: Request): Promise<Revert> {
  const target = await resolveTarget(snapshot, request)
  return { snapshot, known: { target, snapshot: await knownSnapshot(snapshot) } }
}

function gather(revert: Revert, ownPause: boolean): Promise<GatheredFacts> {
  return gatherFacts(revert.snapshot, revert.known, { ownPause })
}

function decide(gathered: GatheredFacts): RevertDecision {
  return planRevert(gathered.facts)
}

function requireNoBlocker({ blockers: [first] }: RevertDecision): void {
  if (first !== undefined) throw new SmError(first.error, first.detail)
}

/** Nothing may rebuild the trees while the target changes its place in them (spec file-sr 21.4). @throws SmError SMGeneral */
async function stopCollector(sr: FileFamilySR): Promise<Lock> {
  const { locks, gc } = sr.context
  const free = await locks.tryLock(sr.uuid, 'running')
  if (free !== undefined) return free
  const stopped = (await gc.abort(sr.uuid)) ? await locks.tryLock(sr.uuid, 'running') : undefined
  if (stopped === undefined) throw new SmError('SMGeneral', 'the garbage collector of this SR cannot be stopped')
  return stopped
}

async function revertQuiesced(revert: Revert): Promise<void> {
  const { sr } = revert.snapshot
  const first = await gather(revert, false)
  const decision = decide(first)
  requireNoBlocker(decision)
  const { target } = revert.known
  for (const key of first.staleHostKeys) await sr.context.xapi.vdiRemoveFromSmConfig(target.ref, key)
  if (decision.plan.mode === 'nothing') {
    await correctRecords(sr, disksOf(revert))
    return
  }
  await revertJournalled(revert, decision.plan.mode === 'split')
}

/** Pauses, decides again on what cannot change any more, executes; a failure before the commit is taken back. */
async function revertJournalled(revert: Revert, isSplit: boolean): Promise<void> {
  const { sr, uuid } = revert.snapshot
  const { target, snapshot } = revert.known
  const pauseSnapshot = isSplit || hostsOf(snapshot.record.sm_config).some(host => isWriter(snapshot, host))
  const journal = revertJournal(sr, target.record.uuid)
  let record = newRecord(revert, pauseSnapshot)
  const paused: string[] = []
  await journal.write(record)
  try {
    for (const vdi of pauseSnapshot ? [target, snapshot] : [target]) {
      await pause(sr, vdi)
      paused.push(vdi.record.uuid)
    }
    const gathered = await gather(revert, true)
    const { plan, blockers } = decide(gathered)
    requireNoBlocker({ plan, blockers })
    if (plan.mode === 'split' && !pauseSnapshot)
      throw new SmError('VDIUnavailable', `snapshot ${uuid} was written to meanwhile`)
    const base = plan.mode === 'split' ? { base: sr.context.system.newUuid() } : {}
    const old = gathered.targetVhd === undefined ? {} : { oldTargetVhd: gathered.targetVhd }
    record = { ...record, state: 'started', ...base, ...old }
    await executeRevert({ sr, plan, targetRef: target.ref, record })
  } catch (error) {
    await afterFailure(sr, { ...record, pausing: paused }, error)
    throw error
  }
  await finish(revert, record)
}

async function pause(sr: FileFamilySR, { ref, record }: KnownVdi): Promise<void> {
  if (await pauseVdi(sr.context, { ref, uuid: record.uuid })) return
  throw new SmError('VDIUnavailable', `VDI ${record.uuid} could not be paused`)
}

/** Takes back what was done. Where even that fails the journal stays, and recovery takes it back. */
async function afterFailure(sr: FileFamilySR, record: RevertRecord, cause: unknown): Promise<void> {
  sr.context.log.error(`revert of VDI ${record.target} failed, taking it back: ${String(cause)}`)
  try {
    await takeBack(sr, record)
    if (await resumePaused(sr, record)) await revertJournal(sr, record.target).remove()
  } catch (error) {
    sr.context.log.error(`the failed revert of VDI ${record.target} is left to the next scan: ${String(error)}`)
  }
}

/** After the commit: no error reaches the caller, what is not done stays in the journal. */
async function finish(revert: Revert, record: RevertRecord): Promise<void> {
  const { sr } = revert.snapshot
  const before = revert.known.target.record.virtual_size
  try {
    sr.context.system.effects.point('FileSR_revert_after_commit')
    const corrected = await correctRecords(sr, disksOf(revert))
    const after = await (await sr.vhdUtil()).virtualSize(sr.vdi(record.target).path)
    await sr.adjustStatistics(after - before)
    const resumed = await resumePaused(sr, record)
    if (corrected && resumed) await revertJournal(sr, record.target).remove()
  } catch (error) {
    sr.context.log.error(`VDI ${record.target} is reverted, the next scan finishes its records: ${String(error)}`)
  }
}

function newRecord(revert: Revert, pauseSnapshot: boolean): RevertRecord {
  const { snapshot, known } = revert
  const { context } = snapshot.sr
  const target = known.target.record.uuid
  return {
    version: 1,
    state: 'pausing',
    snapshot: snapshot.uuid,
    target,
    pausing: pauseSnapshot ? [target, snapshot.uuid] : [target],
    created: new Date(context.system.now()).toISOString(),
    host: context.request.hostRef ?? '',
  }
}

function disksOf({ snapshot, known }: Revert): { snapshot: string; target: string } {
  return { snapshot: snapshot.uuid, target: known.target.record.uuid }
}

function isWriter({ record }: KnownVdi, host: string): boolean {
  return record.sm_config[`host_${host}`] === 'RW'
}
