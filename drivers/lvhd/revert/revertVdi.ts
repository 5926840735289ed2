import { inflate, undoInflate } from '../../../lib/lvhd/inflate.ts'
import { inspectVolume } from '../../../lib/lvhd/inspect.ts'
import { rawVolume, vdiOfPath, vhdVolume, volumeOf, type VdiType } from '../../../lib/lvhd/names.ts'
import { fullVhdVolumeSize } from '../../../lib/lvhd/sizes.ts'
import { isLvmError } from '../../../lib/lvm/LvmError.ts'
import type { Lock } from '../../../lib/lock/Lock.ts'
import type { Request } from '../../../lib/smapi/Request.ts'
import { SmError } from '../../../lib/smapi/SmError.ts'
import { inspectVhd, type VhdIdentity } from '../../../lib/vhd/inspect.ts'
import { planRevert, type RevertDecision } from '../../../lib/vhd/revert-plan.ts'
import { quiesce } from '../../gc.ts'
import { mergeSmConfig } from '../../records.ts'
import { correctTargetRecord } from '../../revert/records.ts'
import { identifyPair, type RevertPair } from '../../revert/target.ts'
import { readDisks } from '../disks.ts'
import type { LvhdFamilySR } from '../LvhdFamilySR.ts'
import type { LvhdVDI } from '../LvhdVDI.ts'
import { pauseNoted, resumeNoted } from '../pauses.ts'
import { findBase, undoClone } from '../recovery/undoClone.ts'
import { executeRevert, type RevertWork } from './execute.ts'
import { gatherFacts, type GatheredFacts } from './facts.ts'
import { splitSnapshot } from './splitSnapshot.ts'

type Pair = RevertPair<LvhdVDI>

/**
 * vdi_revert: the target of `args[0]` gets the content of this snapshot and stays the disk it is (spec smapi 8, lvhd part
 * II). Under the SR lock, on the master. Up to the commit every failure is taken back; after it the call succeeds, and what
 * could not be finished is left to recovery.
 * @throws SmError see spec lvhd 29; whatever is not foreseen becomes VDISnapshot, detail `revert …`
 */
export async function revertVdi(snapshot: LvhdVDI, request: Request): Promise<void> {
  const { sr } = snapshot
  if (await sr.isLegacy()) throw new SmError('Unimplemented', 'In legacy mode')
  const pair = await identifyPair(snapshot, request)
  await sr.requireSettled(snapshot.uuid, pair.target)
  requireNoBlocker(planRevert((await gatherFacts(pair)).facts))
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
  snapshot: LvhdVDI,
  request: Request,
): Promise<RevertDecision & { depthBefore: number }> {
  const pair = await identifyPair(snapshot, request)
  await snapshot.sr.requireSettled(snapshot.uuid, pair.target)
  const decision = planRevert((await gatherFacts(pair)).facts)
  return { ...decision, depthBefore: await depthOf(snapshot.sr, pair.target) }
}

async function depthOf(sr: LvhdFamilySR, uuid: string): Promise<number> {
  return (await readDisks(sr, [uuid])).disks.size
}

function requireNoBlocker({ blockers: [first] }: RevertDecision): void {
  if (first !== undefined) throw new SmError(first.error, first.detail)
}

/** A lock goes with its process at the latest; a failure to release it says nothing of the revert. */
async function releaseQuietly(sr: LvhdFamilySR, lock: Lock): Promise<void> {
  try {
    await lock.release()
  } catch (error) {
    sr.context.log.error(`the lock of the collector was not released: ${String(error)}`)
  }
}

async function revertQuiesced(pair: Pair): Promise<void> {
  const gathered = await gatherFacts(pair)
  const decision = planRevert(gathered.facts)
  requireNoBlocker(decision)
  if (decision.plan.mode === 'nothing') {
    await removeStaleKeys(pair, gathered)
    await correctRecord(pair)
    await correctEntry(pair.snapshot.sr, pair.target)
    return
  }
  const paused: string[] = []
  try {
    await revertPaused(pair, await pauseAndDecide(pair, paused, decision.plan.pausesSnapshot))
  } catch (error) {
    throw asRevertFailure(error)
  } finally {
    for (const uuid of paused.reverse()) await resumeNoted(pair.snapshot.sr, uuid)
  }
}

/** What a revert may answer once it has begun (spec smapi 8.6). */
const ANSWERS: ReadonlySet<string> = new Set([
  'VDIInUse',
  'VDIUnavailable',
  'SRNoSpace',
  'SnapshotChainTooLong',
  'VDISnapshot',
])

/** Something was changed, if only for a moment: 38 would make xapi destroy the target, and others say nothing to it. */
function asRevertFailure(error: unknown): unknown {
  if (isLvmError(error, 'noSpace')) return new SmError('SRNoSpace', undefined, { cause: error })
  if (!(error instanceof SmError) || ANSWERS.has(error.errorName)) return error
  return new SmError('VDISnapshot', `revert: ${error.message}`, { cause: error })
}

/** Pauses the target and, where it must not be open, the snapshot, and gathers the facts again. Adds to `paused`. */
async function pauseAndDecide(pair: Pair, paused: string[], pausesSnapshot: boolean): Promise<GatheredFacts> {
  const both = [pair.target, pair.snapshot.uuid]
  for (let wanted = pausesSnapshot ? both : [pair.target]; ; wanted = both) {
    for (const uuid of wanted) {
      if (paused.includes(uuid)) continue
      const ref = uuid === pair.target ? pair.targetRef : pair.snapshotRef
      // Noted before the attempt: one that fails half-way has to be taken back too.
      paused.push(uuid)
      if (await pauseNoted(pair.snapshot.sr, { ref, uuid })) continue
      paused.pop()
      throw new SmError('VDIUnavailable', `VDI ${uuid} could not be paused`)
    }
    const gathered = await gatherFacts(pair, wanted)
    const decision = planRevert(gathered.facts)
    requireNoBlocker(decision)
    if (wanted === both || !decision.plan.pausesSnapshot) return gathered
  }
}

async function removeStaleKeys(pair: Pair, { staleHostKeys }: GatheredFacts): Promise<void> {
  for (const key of staleHostKeys) await pair.snapshot.sr.context.xapi.vdiRemoveFromSmConfig(pair.targetRef, key)
}

async function revertPaused(pair: Pair, gathered: GatheredFacts): Promise<void> {
  const { sr } = pair.snapshot
  await removeStaleKeys(pair, gathered)
  await dropMappings(pair, await typeOf(sr, pair.target))
  const { plan } = planRevert(gathered.facts)
  let current = gathered
  if (plan.mode === 'split') {
    await splitSnapshot(pair, gathered)
    current = await gatherFacts(pair, [pair.target, pair.snapshot.uuid])
    const after = planRevert(current.facts)
    requireNoBlocker(after)
    if (after.plan.mode === 'split') throw new SmError('VDISnapshot', 'revert: the snapshot still holds data')
  }
  const work = await workOf(pair, current)
  try {
    await executeRevert(work)
  } catch (error) {
    await takeBack(work, error)
    throw error
  }
  await afterCommit(pair, work, gathered.targetRecord.virtual_size)
}

async function typeOf(sr: LvhdFamilySR, target: string): Promise<VdiType> {
  return (await sr.group.volume(rawVolume(target))) === undefined ? 'vhd' : 'aio'
}

/**
 * A host that still has the target's volume mapped would go on reading and writing its old extents (spec lvhd 27 L6).
 * @throws SmError VDIInUse
 */
async function dropMappings({ snapshot: { sr }, target }: Pair, type: VdiType): Promise<void> {
  const lvName = volumeOf(type, target)
  try {
    await sr.tellHosts(await sr.otherHosts(), [
      { action: 'deactivateNoRefcount', lvName },
      { action: 'cleanupLockAndRefcount', uuid: target },
    ])
    await sr.group.deactivate([lvName])
    await sr.references.write(target, { count: 0, binary: 0 })
  } catch (error) {
    throw new SmError('VDIInUse', `the volume of VDI ${target} is mapped on a host`, { cause: error })
  }
}

async function workOf(pair: Pair, { facts, chain }: GatheredFacts): Promise<RevertWork> {
  const { sr } = pair.snapshot
  const { newUuid } = sr.context.system
  const { plan } = planRevert(facts)
  return {
    sr,
    plan,
    snapshot: pair.snapshot.uuid,
    target: pair.target,
    targetRef: pair.targetRef,
    targetType: await typeOf(sr, pair.target),
    chain,
    backing: plan.backing,
    names: { disk: pair.target, base: newUuid(), newLeaf: newUuid() },
  }
}

/** What it fails to take back, the journal tells the next command on the master. */
async function takeBack({ sr, target, names }: RevertWork, cause: unknown): Promise<void> {
  sr.context.log.error(`revert of VDI ${target} failed, taking it back: ${String(cause)}`)
  try {
    sr.group.forget()
    if ((await findBase(sr, names.base)) !== undefined) await undoClone(sr, names)
    if (await sr.journals.has(target)) await sr.journals.remove('clone', target)
  } catch (error) {
    sr.context.log.error(`the failed revert of VDI ${target} is left to the next scan: ${String(error)}`)
  }
}

/**
 * After the commit: no error reaches the caller; what is not done the next scan does. The journal, which would keep the disk
 * closed until then, goes last, and where it can.
 */
async function afterCommit(pair: Pair, { plan, targetType }: RevertWork, sizeBefore: number): Promise<void> {
  const { sr } = pair.snapshot
  const attempt = async (what: string, step: () => Promise<void>): Promise<boolean> => {
    try {
      await step()
      return true
    } catch (error) {
      sr.group.forget()
      sr.context.log.error(`VDI ${pair.target} is reverted; ${what} is left to the next scan: ${String(error)}`)
      return false
    }
  }
  // For what a scan does not do, or only once the disk has been closed for a while.
  const insist = async (what: string, step: () => Promise<void>): Promise<void> => {
    if (!(await attempt(what, step))) await attempt(what, step)
  }
  await attempt('its type', async () => {
    sr.context.system.effects.point('LVM_revert_after_commit')
    // By the type of a raw disk nobody finds its new volume.
    if (targetType === 'aio') await mergeSmConfig(sr.context.xapi, pair.targetRef, { vdi_type: 'vhd' })
  })
  await insist('its entry', () => correctEntry(sr, pair.target))
  await attempt('its volume', () => enlarge(sr, pair.target, plan.virtualSize))
  await insist('its record', () => correctRecord(pair))
  await attempt('the statistics of the SR', () => sr.adjustStatistics(plan.virtualSize - sizeBefore))
  await insist('its journal', async () => {
    if (await sr.journals.has(pair.target)) await sr.journals.remove('clone', pair.target)
  })
}

/**
 * In a thick SR the new volume gets its full size now that the old one is gone. Where that fails it stays as small as it was
 * made, which is legal (spec lvhd 33); the journal of the attempt must not stay, for it would close the disk.
 * @throws LvmError, VhdError where the journal stays all the same
 */
async function enlarge(sr: LvhdFamilySR, target: string, virtualSize: number): Promise<void> {
  if ((await sr.allocation()) !== 'thick') return
  const tools = await sr.tools()
  try {
    await inflate(tools, target, fullVhdVolumeSize(virtualSize))
  } catch (error) {
    sr.context.log.error(`VDI ${target} is reverted; its volume is enlarged when it is opened: ${String(error)}`)
    sr.group.forget()
    if (!(await sr.journals.ofType('inflate')).has(target)) return
    await undoInflate(tools, target)
    await sr.journals.remove('inflate', target)
  }
}

async function correctRecord({ snapshot, target }: Pair): Promise<void> {
  const { sr } = snapshot
  const { xapi } = sr.context
  const image = await inspectTarget(sr, target)
  const { size: physicalUtilisation } = await sr.group.require(vhdVolume(target))
  const parent = image.parentName === undefined ? undefined : vdiOfPath(image.parentName)?.uuid
  const reverted = { virtualSize: image.virtualSize, physicalUtilisation, parent, isEmpty: image.allocatedBlocks === 0 }
  const disks = { snapshot: snapshot.uuid, target }
  await correctTargetRecord(xapi, disks, reverted, { quiesced: true, types: true })
}

/** The type that the metadata volume has of the disk, once it is a VHD. */
async function correctEntry(sr: LvhdFamilySR, target: string): Promise<void> {
  const entry = (await sr.metadata.read()).vdis.get(target)
  if (entry !== undefined && entry.vdiType !== 'vhd') await sr.metadata.update(target, { vdiType: 'vhd' })
}

/** Through its device where it is active, as it is after a revert: no report is needed then. */
async function inspectTarget({ group, context }: LvhdFamilySR, target: string): Promise<VhdIdentity> {
  const { name, active } = await group.require(vhdVolume(target))
  return active ? inspectVhd(context.system.files, group.path(name)) : inspectVolume(group, name)
}
