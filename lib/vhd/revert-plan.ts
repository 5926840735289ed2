/** One disk of a revert as it is found, before anything is changed. Sizes in bytes. */
export interface RevertDisk {
  readonly uuid: string
  /** What its data is; `unknown` is a format this suite does not handle. */
  readonly kind: 'vhd' | 'raw' | 'log' | 'unknown' | 'missing'
  readonly hidden: boolean
  readonly managed: boolean
  /** The garbage collector was interrupted in the middle of work on it. */
  readonly inCollection: boolean
  /** Uuids of the images that name this one as their parent. */
  readonly children: readonly string[]
}

/** One image of the snapshot's chain. */
export interface RevertNode {
  readonly uuid: string
  /** A differencing disk without any block: its content is its parent's. */
  readonly emptyChild: boolean
  readonly hidden: boolean
  readonly virtualSize: number
  readonly raw: boolean
}

/** Everything a revert is decided on. Gathering them changes nothing. */
export interface RevertFacts {
  readonly snapshot: RevertDisk & {
    /** A host has it open for writing. */
    readonly isWritten: boolean
    readonly isPausedByOthers: boolean
  }
  readonly target: RevertDisk & {
    readonly isASnapshot: boolean
    /** A log of its changed blocks, which would say too little afterwards. One of the snapshot's stays as true as it is. */
    readonly hasChangeLog: boolean
    /** Hosts that may have the target open. */
    readonly activeOn: readonly string[]
    /** sm_config keys of an operation in progress: `paused`, `activating`, `relinking`. */
    readonly busyWith: readonly string[]
    /** Parent, where the target is a VHD without blocks, sound and made on it; undefined where it has to be replaced. */
    readonly emptyChildOf: string | undefined
    readonly virtualSize: number
  }
  /** The snapshot's chain, itself first. */
  readonly chain: readonly RevertNode[]
  /** Why the chain cannot be read to its root. */
  readonly chainProblem: string | undefined
  /** Free bytes where new images are made. */
  readonly freeBytes: number
  readonly maxDepth: number
  /** A raw image may be the parent of the target's new image. Default: no. */
  readonly allowsRawParent?: boolean
  /** Why another base copy cannot be kept a record of. Default: it can. */
  readonly baseProblem?: string | undefined
  /** Free bytes that each way takes, where images are not files of the size they need. Default: the size of empty children. */
  readonly spaceNeeded?: { readonly relink: number; readonly split: number }
}

/** A reason not to revert: SM error name and detail. */
export interface RevertBlocker {
  readonly error: string
  readonly detail: string
}

/**
 * `relink`: the new target is an empty child of `backing`. `split`: the snapshot's own image becomes a hidden base with
 * two empty children, the snapshot and the target. `nothing`: the target is an untouched child of the right parent.
 */
export interface RevertPlan {
  readonly mode: 'relink' | 'split' | 'nothing'
  /** The node whose content the target gets: for `split` the snapshot itself. */
  readonly backing: string
  readonly hideBacking: boolean
  /** The snapshot must not be open meanwhile: its image moves, or somebody writes to it. */
  readonly pausesSnapshot: boolean
  /** Bytes the target has afterwards. */
  readonly virtualSize: number
  /** Images from target to root afterwards. */
  readonly depthAfter: number
  /** Bytes of metadata that are written. */
  readonly spaceNeeded: number
}

export interface RevertDecision {
  readonly plan: RevertPlan
  /** In the order in which a revert reports them; empty where it may go on (spec smapi 8.6, file-sr 22.2). */
  readonly blockers: readonly RevertBlocker[]
}

const BLOCK = 2 * 1024 * 1024
/** A journal, its temporary twin and directory entries. */
const JOURNAL_ROOM = 64 * 1024

/** Decides how a target is reverted to a snapshot in place, and what stands in the way. Pure. */
export function planRevert(facts: RevertFacts): RevertDecision {
  const plan = choosePlan(facts)
  const blockers = [...diskBlockers(facts), ...useBlockers(facts), ...chainBlockers(facts, plan)]
  return { plan, blockers: lastResortLast(blockers) }
}

/**
 * "Not implemented" makes xapi destroy the target and clone the snapshot instead. It may only be the answer where
 * nothing else is wrong, or the clone might fail too (spec file-sr 20.3).
 */
function lastResortLast(blockers: readonly RevertBlocker[]): RevertBlocker[] {
  const isLastResort = ({ error }: RevertBlocker) => error === 'Unimplemented'
  return [...blockers.filter(blocker => !isLastResort(blocker)), ...blockers.filter(isLastResort)]
}

function choosePlan(facts: RevertFacts): RevertPlan {
  const { snapshot, target, chain } = facts
  const index = Math.max(
    chain.findIndex(node => !node.emptyChild),
    0,
  )
  const backing = chain[index]
  const virtualSize = chain[0]?.virtualSize ?? 0
  const depthOfBacking = chain.length - index
  const base = {
    pausesSnapshot: snapshot.isWritten,
    backing: backing?.uuid ?? snapshot.uuid,
    virtualSize,
    depthAfter: depthOfBacking + 1,
    spaceNeeded: facts.spaceNeeded?.relink ?? emptyChildBytes(virtualSize) + JOURNAL_ROOM,
  }
  if (index === 0) {
    const spaceNeeded = facts.spaceNeeded?.split ?? 2 * emptyChildBytes(virtualSize) + JOURNAL_ROOM
    return { ...base, mode: 'split', hideBacking: false, pausesSnapshot: true, spaceNeeded }
  }
  const isOnBacking = target.emptyChildOf === base.backing && backing?.hidden === true
  const isDone = isOnBacking && target.virtualSize === virtualSize && !target.hidden
  if (isDone) return { ...base, mode: 'nothing', hideBacking: false, pausesSnapshot: false, spaceNeeded: 0 }
  return { ...base, mode: 'relink', hideBacking: backing?.hidden === false }
}

/** Bytes of an empty differencing VHD: footers, header, block table, batmap, locators (spec vhd 2.1). */
export function emptyChildBytes(virtualSize: number): number {
  const blocks = Math.ceil(virtualSize / BLOCK)
  const sectors = (bytes: number) => Math.max(1, Math.ceil(bytes / 512)) * 512
  return 1536 + sectors(blocks * 4) + 512 + sectors(Math.ceil(blocks / 8)) + 3 * 512 + 512
}

function diskBlockers({ snapshot, target }: RevertFacts): RevertBlocker[] {
  const blockers: RevertBlocker[] = []
  const block = (error: string, detail: string) => blockers.push({ error, detail })
  const disks = [snapshot, target]
  if (target.isASnapshot) block('VDIType', `VDI ${target.uuid} is itself a snapshot`)
  for (const disk of disks) {
    if (disk.kind === 'missing') block('VDIUnavailable', `VDI ${disk.uuid} not found`)
    else if (disk.hidden || !disk.managed) block('VDIUnavailable', `VDI ${disk.uuid} is hidden or unmanaged`)
  }
  for (const disk of disks) {
    if (disk.kind === 'log') block('VDIType', `VDI ${disk.uuid} holds only change metadata`)
    if (disk.kind === 'unknown') block('VDIType', `VDI ${disk.uuid} has a format this driver does not handle`)
  }
  for (const disk of disks) if (disk.kind === 'raw') block('Unimplemented', 'raw VDI')
  if (target.hasChangeLog) block('Unimplemented', `changed block tracking is enabled on VDI ${target.uuid}`)
  return blockers
}

function useBlockers({ snapshot, target }: RevertFacts): RevertBlocker[] {
  const blockers: RevertBlocker[] = []
  for (const disk of [snapshot, target]) {
    if (disk.inCollection) {
      blockers.push({ error: 'VDIUnavailable', detail: `the garbage collector has not finished with VDI ${disk.uuid}` })
    }
  }
  if (target.children.length > 0) {
    blockers.push({
      error: 'VDIInUse',
      detail: `other disks are built on VDI ${target.uuid}: ${target.children.join(', ')}`,
    })
  }
  if (target.activeOn.length > 0) {
    blockers.push({ error: 'VDIInUse', detail: `VDI ${target.uuid} is active on ${target.activeOn.join(', ')}` })
  }
  for (const key of target.busyWith) {
    blockers.push({ error: 'VDIUnavailable', detail: `another operation holds VDI ${target.uuid}: ${key}` })
  }
  return blockers
}

function chainBlockers(facts: RevertFacts, plan: RevertPlan): RevertBlocker[] {
  const { snapshot, chain, chainProblem, freeBytes, maxDepth } = facts
  const blockers: RevertBlocker[] = []
  if (chainProblem !== undefined) blockers.push({ error: 'VDIUnavailable', detail: chainProblem })
  if (facts.allowsRawParent !== true && chain.slice(1).some(node => node.raw))
    blockers.push({ error: 'Unimplemented', detail: 'raw parent' })
  if (plan.pausesSnapshot && snapshot.isPausedByOthers) {
    blockers.push({ error: 'VDIUnavailable', detail: `another operation holds VDI ${snapshot.uuid}: paused` })
  }
  if (plan.mode === 'split') {
    if (chain.length >= maxDepth) blockers.push({ error: 'SnapshotChainTooLong', detail: `depth ${chain.length}` })
    if (snapshot.children.length > 0) {
      blockers.push({ error: 'VDIUnavailable', detail: `other disks are built on snapshot ${snapshot.uuid}` })
    }
    if (facts.baseProblem !== undefined) blockers.push({ error: 'VDISnapshot', detail: `revert: ${facts.baseProblem}` })
  }
  if (freeBytes < plan.spaceNeeded) {
    blockers.push({ error: 'SRNoSpace', detail: `${plan.spaceNeeded} bytes are needed, ${freeBytes} are free` })
  }
  return blockers
}
