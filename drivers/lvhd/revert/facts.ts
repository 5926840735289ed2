import { cbtVolume, rawVolume, vdiOfPath, vhdVolume } from '../../../lib/lvhd/names.ts'
import { checkVolume, inspectVolume, type VolumeIdentity } from '../../../lib/lvhd/inspect.ts'
import { isSmError, SmError } from '../../../lib/smapi/SmError.ts'
import type { RevertDisk, RevertFacts, RevertNode } from '../../../lib/vhd/revert-plan.ts'
import { VhdError } from '../../../lib/vhd/VhdUtil.ts'
import type { VdiRecord } from '../../../lib/xapi/SmXapi.ts'
import { hostActivity } from '../../hosts.ts'
import { readRecord, type RevertPair } from '../../revert/target.ts'
import { hasChangeLog } from '../changeTracking.ts'
import { childrenOf, readAllDisks, type Disk, type Disks } from '../disks.ts'
import type { LvhdFamilySR } from '../LvhdFamilySR.ts'
import type { LvhdVDI } from '../LvhdVDI.ts'
import { MAX_CHAIN_DEPTH, parseUnknownDisk } from '../layout.ts'
import { revertSpace } from './space.ts'

/** What a revert is decided on, and what else was learnt on the way. */
export interface GatheredFacts {
  readonly facts: RevertFacts
  readonly snapshotRecord: VdiRecord
  readonly targetRecord: VdiRecord
  /** `host_…` keys of the target that belong to no open disk. */
  readonly staleHostKeys: readonly string[]
  /** The snapshot's chain, itself first, as far as it can be read. */
  readonly chain: readonly Disk[]
  readonly target: Disk | undefined
  /** What the snapshot's image needs at least, bytes. */
  readonly snapshotPhysical: number
}

/**
 * Reads everything a revert is decided on, afresh: the volumes, the snapshot's chain to its root, the records. Activates
 * and changes nothing. `ownPauses`: disks whose `paused` key is ours; with any, LVM is asked again who has what open.
 * @throws SmError VDILoad where a disk has two volumes; VDIMissing, VDIUnavailable
 */
export async function gatherFacts(
  pair: RevertPair<LvhdVDI>,
  ownPauses: readonly string[] = [],
): Promise<GatheredFacts> {
  const { snapshot } = pair
  const { sr } = snapshot
  const snapshotRecord = await readRecord(snapshot, pair.snapshotRef)
  const targetRecord = await readRecord(snapshot, pair.targetRef)
  if (ownPauses.length > 0) sr.group.forget()
  const disks = await readAllDisks(sr, pair.target)
  const read = await readChain(sr, disks, snapshot.uuid)
  const target = disks.disks.get(pair.target)
  const activity = await activityOf(pair, targetRecord, target)
  const image = target?.type === 'vhd' ? await inspectTarget(sr, target) : undefined
  const isWritten = Object.entries(snapshotRecord.sm_config).some(([key, mode]) => /^host_/.test(key) && mode === 'RW')
  const snapshotPhysical = read.images[0]?.physicalSize ?? disks.disks.get(snapshot.uuid)?.volume.size ?? 0
  const space = await spaceFor(sr, { disks, pair, isWritten, snapshotPhysical })
  const facts: RevertFacts = {
    snapshot: {
      ...(await revertDisk(sr, disks, snapshotRecord)),
      isWritten,
      isPausedByOthers: busyKeys(snapshotRecord, ownPauses).includes('paused'),
    },
    target: {
      ...(await revertDisk(sr, disks, targetRecord)),
      isASnapshot: targetRecord.is_a_snapshot,
      hasChangeLog: await hasChangeLog(sr, pair.target),
      activeOn: activity.activeOn,
      busyWith: busyKeys(targetRecord, ownPauses),
      emptyChildOf: await emptyChildOf(sr, target, image, read),
      virtualSize: target?.virtualSize ?? targetRecord.virtual_size,
    },
    chain: read.nodes,
    chainProblem: read.problem,
    maxDepth: MAX_CHAIN_DEPTH,
    allowsRawParent: true,
    baseProblem: await baseProblem(sr, read.nodes),
    ...space,
  }
  const { staleKeys: staleHostKeys } = activity
  return { facts, snapshotRecord, targetRecord, staleHostKeys, chain: read.disks, target, snapshotPhysical }
}

async function activityOf(pair: RevertPair<LvhdVDI>, { sm_config: smConfig }: VdiRecord, target: Disk | undefined) {
  const { sr } = pair.snapshot
  const srRef = await sr.srRef()
  const activity = await hostActivity(sr.context, { uuid: pair.target, srRef, smConfig })
  if (target?.volume.open !== true) return activity
  return { ...activity, activeOn: [...activity.activeOn, sr.context.request.hostRef ?? 'this host'] }
}

async function revertDisk(sr: LvhdFamilySR, disks: Disks, record: VdiRecord): Promise<RevertDisk> {
  const { uuid } = record
  const disk = disks.disks.get(uuid)
  return {
    uuid,
    kind: await kindOfDisk(sr, record),
    hidden: disk?.hidden ?? false,
    managed: record.managed,
    children: childrenOf(disks, uuid),
    inCollection: await sr.journals.has(uuid),
  }
}

/** Raw only where that was asked for: such a disk is cloned instead (spec lvhd 29 P10). @throws SmError VDILoad */
async function kindOfDisk(sr: LvhdFamilySR, { uuid, sm_config: smConfig }: VdiRecord): Promise<RevertDisk['kind']> {
  const { volumes } = await sr.group.report()
  const [hasVhd, hasRaw] = [volumes.has(vhdVolume(uuid)), volumes.has(rawVolume(uuid))]
  if (hasVhd && hasRaw) throw new SmError('VDILoad', `VDI ${uuid} has two volumes: multiple VDI's`)
  if ([...volumes.keys()].some(name => parseUnknownDisk(name)?.uuid === uuid)) return 'unknown'
  if (hasRaw) return smConfig['type'] === 'raw' ? 'raw' : 'vhd'
  if (hasVhd) return 'vhd'
  return volumes.has(cbtVolume(uuid)) ? 'log' : 'missing'
}

async function inspectTarget(sr: LvhdFamilySR, target: Disk): Promise<VolumeIdentity | undefined> {
  try {
    return await inspectVolume(sr.group, target.volume.name)
  } catch (error) {
    sr.context.log.warn(`VDI ${target.uuid} cannot be read; reverting replaces it: ${String(error)}`)
    return undefined
  }
}

/** One that is not sound, or was made on another image that had the name, cannot be opened: reverting replaces it. */
async function emptyChildOf(
  sr: LvhdFamilySR,
  target: Disk | undefined,
  image: VolumeIdentity | undefined,
  { disks, images }: ReadChain,
): Promise<string | undefined> {
  if (target === undefined || image?.type !== 'differencing' || image.allocatedBlocks > 0) return undefined
  const parent = image.parentName === undefined ? undefined : vdiOfPath(image.parentName)?.uuid
  const index = disks.findIndex(({ uuid }) => uuid === parent)
  if (index < 0 || image.parentUuid !== images[index]?.uuid) return undefined
  try {
    await checkVolume(sr.group, target.volume.name)
    return parent
  } catch (error) {
    if (!(error instanceof VhdError)) throw error
    sr.context.log.warn(`VDI ${target.uuid} is not sound; reverting replaces it: ${error.message}`)
    return undefined
  }
}

async function spaceFor(
  sr: LvhdFamilySR,
  learnt: { disks: Disks; pair: RevertPair<LvhdVDI>; isWritten: boolean; snapshotPhysical: number },
): Promise<Pick<RevertFacts, 'freeBytes' | 'spaceNeeded'>> {
  const { disks } = learnt.disks
  const [snapshot, target] = [disks.get(learnt.pair.snapshot.uuid), disks.get(learnt.pair.target)]
  const { free } = await sr.group.report()
  const spaceNeeded = revertSpace({
    allocation: await sr.allocation(),
    virtualSize: snapshot?.virtualSize ?? 0,
    targetVolume: target?.volume.size ?? (await targetVolumeSize(sr, learnt.pair.target)),
    snapshotVolume: snapshot?.volume.size ?? 0,
    snapshotPhysical: learnt.snapshotPhysical,
    isSnapshotWritten: learnt.isWritten,
  })
  return { freeBytes: free, spaceNeeded }
}

/** Of a target whose image cannot be read. */
async function targetVolumeSize(sr: LvhdFamilySR, uuid: string): Promise<number> {
  return ((await sr.group.volume(vhdVolume(uuid))) ?? (await sr.group.volume(rawVolume(uuid))))?.size ?? 0
}

/** Only where a split is to come: the metadata volume is read as a whole. */
async function baseProblem(sr: LvhdFamilySR, [leaf]: readonly RevertNode[]): Promise<string | undefined> {
  if (leaf === undefined || leaf.emptyChild) return undefined
  try {
    return (await sr.metadata.hasRoom()) ? undefined : 'the metadata volume has no room for another VDI'
  } catch (error) {
    if (!isSmError(error, 'MetadataError')) throw error
    return error.message
  }
}

interface ReadChain {
  readonly nodes: RevertNode[]
  readonly disks: Disk[]
  /** What each of the disks holds, undefined for a raw one. */
  readonly images: readonly (VolumeIdentity | undefined)[]
  readonly problem: string | undefined
}

/** The chain as far as it can be read, and why no further. Each link is proven: the parent is the image the child was made on. */
async function readChain(sr: LvhdFamilySR, { disks, unreadable }: Disks, snapshot: string): Promise<ReadChain> {
  const chain: { nodes: RevertNode[]; disks: Disk[]; images: (VolumeIdentity | undefined)[] } = {
    nodes: [],
    disks: [],
    images: [],
  }
  let child: VolumeIdentity | undefined
  for (let next: string | undefined = snapshot; next !== undefined;) {
    const disk = disks.get(next)
    if (disk === undefined) return { ...chain, problem: whyMissing(next, unreadable) }
    if (chain.disks.includes(disk)) return { ...chain, problem: 'the chain is a loop' }
    try {
      const image = disk.type === 'vhd' ? await inspectVolume(sr.group, disk.volume.name) : undefined
      const problem = brokenLink(chain, { child, image, disk })
      if (problem !== undefined) return { ...chain, problem: `${disk.volume.name}: ${problem}` }
      chain.nodes.push(nodeOf(disk, image))
      chain.disks.push(disk)
      chain.images.push(image)
      child = image
    } catch (error) {
      return { ...chain, problem: error instanceof Error ? error.message : String(error) }
    }
    next = disk.parent
  }
  return { ...chain, problem: undefined }
}

function whyMissing(uuid: string, unreadable: Disks['unreadable']): string | undefined {
  const broken = unreadable.find(row => row.uuid === uuid)
  return broken === undefined ? `VDI ${uuid} has no volume` : `${broken.volume}: ${broken.error.message}`
}

/** On this family snapshots are journalled: a node with children that is not hidden is damage (spec lvhd 29 P9). */
function brokenLink(
  chain: { readonly nodes: readonly RevertNode[] },
  link: { child: VolumeIdentity | undefined; image: VolumeIdentity | undefined; disk: Disk },
): string | undefined {
  const { child, image, disk } = link
  if (chain.nodes.length > 0 && !disk.hidden) return 'other disks are built on it, but it is not hidden'
  if (child === undefined) return undefined
  if (image === undefined) return child.parentRaw ? undefined : 'it is no VHD, as its child has it'
  if (child.parentUuid !== image.uuid) return 'it is not the image its child was made on'
  return image.virtualSize > child.virtualSize ? 'it is larger than its child' : undefined
}

function nodeOf({ uuid, hidden, virtualSize }: Disk, image: VolumeIdentity | undefined): RevertNode {
  const emptyChild = image?.type === 'differencing' && image.allocatedBlocks === 0
  return { uuid, emptyChild, hidden, virtualSize, raw: image === undefined }
}

function busyKeys({ uuid, sm_config: smConfig }: VdiRecord, ownPauses: readonly string[]): string[] {
  // A `relinking` key is not among them: with the collector stopped nobody works on it any more (spec file-sr 21.4).
  return ['paused', 'activating'].filter(key => key in smConfig && !(key === 'paused' && ownPauses.includes(uuid)))
}
