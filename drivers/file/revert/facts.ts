import { inspectVhd, type VhdIdentity } from '../../../lib/vhd/inspect.ts'
import type { RevertDisk, RevertFacts, RevertNode } from '../../../lib/vhd/revert-plan.ts'
import type { VdiRecord } from '../../../lib/xapi/SmXapi.ts'
import { hostsOf } from '../../pause.ts'
import type { FileFamilySR } from '../FileFamilySR.ts'
import type { FileVDI } from '../FileVDI.ts'
import { childrenByParent } from '../garbage.ts'
import { cbtLogName, MAX_CHAIN_DEPTH, rawName, unknownFormatOf, uuidOfVhd, vhdName } from '../layout.ts'
import type { KnownVdi } from './target.ts'

/** What a revert is decided on, and what else was learnt on the way. */
export interface GatheredFacts {
  readonly facts: RevertFacts
  /** `host_…` keys of the target that belong to no open disk. */
  readonly staleHostKeys: readonly string[]
  /** Footer uuid of the target's image, undefined where it cannot be read: its content is not needed. */
  readonly targetVhd: string | undefined
}

interface Directory {
  readonly names: readonly string[]
  readonly children: ReadonlyMap<string, readonly string[]>
}

/**
 * Reads everything a revert is decided on: the directory, the snapshot's chain to its root, the records. Changes
 * nothing. `ownPause`: the target's `paused` key is ours.
 */
export async function gatherFacts(
  snapshot: FileVDI,
  known: { readonly snapshot: KnownVdi; readonly target: KnownVdi },
  options: { readonly ownPause: boolean },
): Promise<GatheredFacts> {
  const { sr } = snapshot
  const directory = await readDirectory(sr)
  const target = known.target.record
  const activity = await hostActivity(sr, known.target)
  const image = await inspectTarget(sr, directory, target.uuid)
  const { chain, problem } = await readChain(snapshot)
  const space = await sr.context.system.files.statfs(sr.path)
  return {
    facts: {
      snapshot: disk(directory, known.snapshot.record, chain[0]?.hidden ?? false),
      target: {
        ...disk(directory, target, image?.hidden ?? false),
        isASnapshot: target.is_a_snapshot,
        activeOn: activity.activeOn,
        busyWith: busyKeys(target.sm_config, options.ownPause),
        emptyChildOf: emptyChildOf(image),
        virtualSize: image?.virtualSize ?? target.virtual_size,
      },
      chain,
      chainProblem: problem,
      freeBytes: space.bavail * space.bsize,
      maxDepth: MAX_CHAIN_DEPTH,
    },
    staleHostKeys: activity.stale,
    targetVhd: image?.uuid,
  }
}

async function readDirectory(sr: FileFamilySR): Promise<Directory> {
  const names = await sr.listNames()
  const rows = await (await sr.vhdUtil()).scan(sr.path)
  const children = childrenByParent(rows.flatMap(row => ('error' in row ? [] : [row])))
  return {
    names,
    children: new Map([...children].map(([parent, list]) => [parent, list.map(row => uuidOfVhd(row.name))])),
  }
}

function disk({ names, children }: Directory, record: VdiRecord, hidden: boolean): RevertDisk {
  const { uuid } = record
  const has = (name: string) => names.includes(name)
  return {
    uuid,
    kind: kindOf(names, uuid),
    hidden,
    managed: record.managed,
    cbtEnabled: record.cbt_enabled || has(cbtLogName(uuid)),
    children: children.get(vhdName(uuid)) ?? [],
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

function emptyChildOf(image: VhdIdentity | undefined): string | undefined {
  if (image?.type !== 'differencing' || image.allocatedBlocks > 0 || image.parentName === undefined) return undefined
  return uuidOfVhd(image.parentName)
}

/** The chain as far as it can be read, and why no further. Each link is proven: the parent is the image the child was made on. */
async function readChain(snapshot: FileVDI): Promise<{ chain: RevertNode[]; problem: string | undefined }> {
  const { sr } = snapshot
  const tool = sr.embeddedVhd()
  const chain: RevertNode[] = []
  let current = sr.file(vhdName(snapshot.uuid))
  let child: VhdIdentity | undefined
  try {
    for (;;) {
      const image: VhdIdentity = await inspectVhd(sr.context.system.files, current, { backupFooter: true })
      const problem = child === undefined ? undefined : brokenLink(child, image)
      if (problem !== undefined) return { chain, problem: `${current}: ${problem}` }
      chain.push(node(current, image))
      const parent = await tool.parent(current)
      if (parent === undefined) return { chain, problem: undefined }
      if (image.parentRaw) return { chain: [...chain, rawNode(parent)], problem: undefined }
      if (chain.some(earlier => vhdName(earlier.uuid) === baseName(parent)))
        return { chain, problem: 'the chain is a loop' }
      child = image
      current = parent
    }
  } catch (error) {
    return { chain, problem: error instanceof Error ? error.message : String(error) }
  }
}

function brokenLink(child: VhdIdentity, parent: VhdIdentity): string | undefined {
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

function busyKeys(smConfig: Readonly<Record<string, string>>, ownPause: boolean): string[] {
  // A `relinking` key is not among them: with the collector stopped nobody works on it any more (spec file-sr 21.4).
  return ['paused', 'activating'].filter(key => key in smConfig && !(key === 'paused' && ownPause))
}

/** Asks every host that seems to have the target open; only a clear "no" proves a key stale. */
async function hostActivity(sr: FileFamilySR, target: KnownVdi): Promise<{ activeOn: string[]; stale: string[] }> {
  const { xapi, log } = sr.context
  const activeOn: string[] = []
  const stale: string[] = []
  for (const host of hostsOf(target.record.sm_config)) {
    try {
      const args = { vdiUuid: target.record.uuid, srRef: await sr.srRef() }
      const open = await xapi.hostCallPlugin(host, 'on-slave', 'is_open', args)
      if (open === 'False') stale.push(`host_${host}`)
      else activeOn.push(host)
    } catch (error) {
      log.warn(`${host} does not say whether VDI ${target.record.uuid} is open there: ${String(error)}`)
      activeOn.push(host)
    }
  }
  return { activeOn, stale }
}
