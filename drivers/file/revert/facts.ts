import { inspectVhd, type VhdIdentity } from '../../../lib/vhd/inspect.ts'
import type { RevertDisk, RevertFacts, RevertNode } from '../../../lib/vhd/revert-plan.ts'
import { VhdError } from '../../../lib/vhd/VhdUtil.ts'
import type { VdiRecord } from '../../../lib/xapi/SmXapi.ts'
import { diskActivity } from '../../hosts.ts'
import { readChildren, type Children } from '../children.ts'
import type { FileFamilySR } from '../FileFamilySR.ts'
import type { FileVDI } from '../FileVDI.ts'
import {
  cbtLogName,
  findCollectorLeftovers,
  MAX_CHAIN_DEPTH,
  rawName,
  unknownFormatOf,
  uuidOfVhd,
  vhdName,
  type CollectorLeftovers,
} from '../layout.ts'
import { readRecord, type RevertPair } from '../../revert/target.ts'

/** What a revert is decided on, and what else was learnt on the way. */
export interface GatheredFacts {
  readonly facts: RevertFacts
  readonly snapshotRecord: VdiRecord
  readonly targetRecord: VdiRecord
  /** `host_…` keys of the target that belong to no open disk. */
  readonly staleHostKeys: readonly string[]
  /** Footer uuid of the target's image, undefined where it cannot be read: its content is not needed. */
  readonly targetVhd: string | undefined
  /** Footer uuid of the snapshot's image. */
  readonly snapshotVhd: string | undefined
}

interface Directory {
  readonly names: readonly string[]
  readonly childrenOf: Children
  readonly collector: CollectorLeftovers
}

/**
 * Reads everything a revert is decided on, afresh: the directory, the snapshot's chain to its root, the records.
 * Changes nothing. `ownPauses`: disks whose `paused` key is ours.
 */
export async function gatherFacts(
  pair: RevertPair<FileVDI>,
  ownPauses: readonly string[] = [],
): Promise<GatheredFacts> {
  const { snapshot } = pair
  const { sr } = snapshot
  const [snapshotRecord, target] = [
    await readRecord(snapshot, pair.snapshotRef),
    await readRecord(snapshot, pair.targetRef),
  ]
  const directory = await readDirectory(sr, pair.target)
  const smConfig = target.sm_config
  const activity = await diskActivity(sr.context, { uuid: pair.target, srRef: await sr.srRef(), smConfig })
  const image = await inspectTarget(sr, directory, pair.target)
  const { chain, problem, leafVhd } = await readChain(snapshot, kindOf(directory.names, snapshot.uuid))
  const space = await sr.context.system.files.statfs(sr.path)
  const facts: RevertFacts = {
    snapshot: {
      ...disk(directory, snapshotRecord, chain[0]?.hidden ?? false),
      isWritten: Object.entries(snapshotRecord.sm_config).some(
        ([key, mode]) => key.startsWith('host_') && mode === 'RW',
      ),
      isPausedByOthers: busyKeys(snapshotRecord, ownPauses).includes('paused'),
    },
    target: {
      ...disk(directory, target, image?.hidden ?? false),
      isASnapshot: target.is_a_snapshot,
      hasChangeLog: directory.names.includes(cbtLogName(pair.target)),
      activeOn: activity.activeOn,
      busyWith: busyKeys(target, ownPauses),
      emptyChildOf: await emptyChildOf(sr, pair.target, image),
      virtualSize: image?.virtualSize ?? target.virtual_size,
    },
    chain,
    chainProblem: problem,
    freeBytes: space.bfree * space.bsize,
    maxDepth: MAX_CHAIN_DEPTH,
  }
  const { staleKeys: staleHostKeys } = activity
  return { facts, snapshotRecord, targetRecord: target, staleHostKeys, targetVhd: image?.uuid, snapshotVhd: leafVhd }
}

async function readDirectory(sr: FileFamilySR, target: string): Promise<Directory> {
  const names = await sr.listNames()
  return { names, childrenOf: await readChildren(sr, target), collector: findCollectorLeftovers(names) }
}

function disk({ names, childrenOf, collector }: Directory, record: VdiRecord, hidden: boolean): RevertDisk {
  const { uuid } = record
  return {
    uuid,
    kind: kindOf(names, uuid),
    hidden,
    managed: record.managed,
    children: childrenOf(uuid),
    inCollection: collector.journals.has(uuid) || collector.leaves.has(uuid),
  }
}

function kindOf(names: readonly string[], uuid: string): RevertDisk['kind'] {
  if (unknownFormatOf(names, uuid) !== undefined) return 'unknown'
  if (names.includes(vhdName(uuid))) return 'vhd'
  if (names.includes(rawName(uuid))) return 'raw'
  return names.includes(cbtLogName(uuid)) ? 'log' : 'missing'
}

async function inspectTarget(sr: FileFamilySR, directory: Directory, uuid: string): Promise<VhdIdentity | undefined> {
  if (!directory.names.includes(vhdName(uuid))) return undefined
  try {
    return await inspectVhd(sr.context.system.files, sr.file(vhdName(uuid)), { backupFooter: true })
  } catch (error) {
    sr.context.log.warn(`the image of VDI ${uuid} cannot be read; reverting replaces it: ${String(error)}`)
    return undefined
  }
}

/** One that is not sound, or was made on another image that had the name, cannot be opened: reverting replaces it. */
async function emptyChildOf(
  sr: FileFamilySR,
  uuid: string,
  image: VhdIdentity | undefined,
): Promise<string | undefined> {
  if (image?.type !== 'differencing' || image.allocatedBlocks > 0 || image.parentName === undefined) return undefined
  try {
    await sr.embeddedVhd().check(sr.file(vhdName(uuid)))
    return uuidOfVhd(image.parentName)
  } catch (error) {
    if (!(error instanceof VhdError)) throw error
    sr.context.log.warn(`the image of VDI ${uuid} is not sound; reverting replaces it: ${error.message}`)
    return undefined
  }
}

interface ReadChain {
  readonly chain: RevertNode[]
  readonly problem: string | undefined
  /** Footer uuid of the snapshot's own image. */
  readonly leafVhd: string | undefined
}

/**
 * The chain as far as it can be read, and why no further. Each link is proven: the parent is the image the child was made
 * on. What is no VHD has no chain, and a blocker of its own.
 */
async function readChain(snapshot: FileVDI, kind: RevertDisk['kind']): Promise<ReadChain> {
  if (kind !== 'vhd') return { chain: [], problem: undefined, leafVhd: undefined }
  const { sr } = snapshot
  const tool = sr.embeddedVhd()
  const chain: RevertNode[] = []
  let leafVhd: string | undefined
  let current = sr.file(vhdName(snapshot.uuid))
  let child: VhdIdentity | undefined
  try {
    for (;;) {
      const image: VhdIdentity = await inspectVhd(sr.context.system.files, current, { backupFooter: true })
      leafVhd ??= image.uuid
      const problem = child === undefined ? undefined : brokenLink(child, image, baseName(current))
      if (problem !== undefined) return { chain, leafVhd, problem: `${current}: ${problem}` }
      if ((await sr.context.system.files.stat(current)).size < image.endOfBitmaps)
        return { chain, leafVhd, problem: `${current} ends before its data does` }
      chain.push(node(current, image))
      const parent = await tool.parent(current)
      if (parent === undefined) return { chain, leafVhd, problem: undefined }
      if (image.parentRaw) return { chain: [...chain, rawNode(parent)], leafVhd, problem: undefined }
      if (chain.some(earlier => vhdName(earlier.uuid) === baseName(parent)))
        return { chain, leafVhd, problem: 'the chain is a loop' }
      child = image
      current = parent
    }
  } catch (error) {
    return { chain, leafVhd, problem: error instanceof Error ? error.message : String(error) }
  }
}

/** By the name in its header a child is found when its parent is about to be replaced: the locators must lead there too. */
function brokenLink(child: VhdIdentity, parent: VhdIdentity, name: string): string | undefined {
  if (child.parentName !== name) return `its child names ${child.parentName ?? 'nothing'}`
  if (child.parentUuid !== parent.uuid) return 'it is not the image its child was made on'
  if (parent.virtualSize > child.virtualSize) return 'it is larger than its child'
  return undefined
}

function node(path: string, image: VhdIdentity): RevertNode {
  return {
    uuid: uuidOfVhd(baseName(path)),
    emptyChild: image.type === 'differencing' && image.allocatedBlocks === 0,
    hidden: image.hidden,
    virtualSize: image.virtualSize,
    raw: false,
  }
}

function rawNode(path: string): RevertNode {
  return { uuid: baseName(path).replace(/\.raw$/, ''), emptyChild: false, hidden: true, virtualSize: 0, raw: true }
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function busyKeys({ uuid, sm_config: smConfig }: VdiRecord, ownPauses: readonly string[]): string[] {
  // A `relinking` key is not among them: with the collector stopped nobody works on it any more (spec file-sr 21.4).
  return ['paused', 'activating'].filter(key => key in smConfig && !(key === 'paused' && ownPauses.includes(uuid)))
}
