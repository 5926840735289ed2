import { XapiError, type Ref } from '../../xapi/XapiClient.ts'
import type { Call } from '../Call.ts'
import type { RevertOutlook } from '../explain-revert.ts'
import { checkSrOperation, checkVdiOperation } from '../rules.ts'
import { method, type ApiMethod } from './method.ts'
import { isRevertRefusal } from './vdi-revert.ts'
import { disksOf } from './vm-parts.ts'

/** What would become of one disk. */
interface DiskPlan {
  readonly snapshot: Ref
  /** The disk that the snapshot is of. */
  readonly target: Ref
  /** `in place`, `clone` where only a copy can take its place, or `blocked`. */
  readonly outcome: 'in place' | 'clone' | 'blocked'
  /** How the driver goes about it, where it can tell: `relink`, `split`, `nothing`. */
  readonly mode: string
  readonly virtual_size: number
  readonly space_needed: number
  readonly depth_before: number
  readonly depth_after: number
  /** Why it is not in place. */
  readonly reasons: readonly string[]
}

const diskPlan = {
  struct: {
    snapshot: 'ref',
    target: 'ref',
    outcome: 'string',
    mode: 'string',
    virtual_size: 'int',
    space_needed: 'int',
    depth_before: 'int',
    depth_after: 'int',
    reasons: 'strings',
  },
} as const

const vmPlan = {
  struct: { vm: 'ref', power_state: 'string', disks: { listOf: diskPlan }, left_out: 'refs' },
} as const

/** What a revert would do; not part of XenAPI. Nothing is changed. */
export const planMethods: readonly ApiMethod[] = [
  method(
    ['sm.plan_vdi_revert', { snapshot: 'ref' }, diskPlan],
    (call, { snapshot }) => planDisk(call, snapshot, new Set()),
    { hasAsync: false },
  ),
  method(['sm.plan_vm_revert', { snapshot: 'ref' }, vmPlan], (call, { snapshot }) => planVm(call, snapshot), {
    hasAsync: false,
  }),
]

async function planVm(call: Call, snapshot: Ref): Promise<unknown> {
  const { store } = call.services
  const { is_a_snapshot: isSnapshot, snapshot_of: vm } = store.get('VM', snapshot)
  if (!isSnapshot) throw new XapiError('REVERT_ONLY_ALLOWED_ON_SNAPSHOT', [])
  const ownDrives = new Set(store.where('VBD', 'VM', vm))
  const disks: DiskPlan[] = []
  for (const disk of disksOf(store, snapshot)) disks.push(await planDisk(call, disk, ownDrives))
  const targets = new Set(disks.map(({ target }) => target))
  const leftOut = disksOf(store, vm).filter(disk => !targets.has(disk))
  return { vm, power_state: store.find('VM', vm)?.power_state ?? '', disks, left_out: leftOut }
}

/** Drives that are detached before the revert do not stand in its way. */
async function planDisk(call: Call, snapshot: Ref, ownDrives: ReadonlySet<Ref>): Promise<DiskPlan> {
  const { SR: sr, snapshot_of: target } = call.services.store.get('VDI', snapshot)
  const refusal = refusalOf(call, { sr, snapshot, target }, ownDrives)
  if (refusal !== undefined) {
    const outcome = isRevertRefusal(refusal) ? 'clone' : 'blocked'
    return planOf({ snapshot, target }, outcome, { mode: 'unknown', blockers: [{ code: 0, text: refusal.code }] })
  }
  const outlook = await explain(call, { sr, snapshot, target })
  const [blocker] = outlook.blockers
  const unimplemented = 38
  const outcome = blocker === undefined ? 'in place' : blocker.code === unimplemented ? 'clone' : 'blocked'
  return planOf({ snapshot, target }, outcome, outlook)
}

interface Disks {
  readonly sr: Ref
  readonly snapshot: Ref
  readonly target: Ref
}

/** What the toolstack would say before it asks the driver. */
function refusalOf(call: Call, { sr, snapshot, target }: Disks, ownDrives: ReadonlySet<Ref>): XapiError | undefined {
  const { store } = call.services
  try {
    checkSrOperation(store, sr, 'vdi_revert')
    checkVdiOperation(store, snapshot, 'revert_to')
    checkVdiOperation(store, target, 'revert_from')
    return undefined
  } catch (error) {
    if (!(error instanceof XapiError)) throw error
    return isOwnUse(call, error, { target, ownDrives }) ? undefined : error
  }
}

function isOwnUse(
  { services: { store } }: Call,
  { code }: XapiError,
  { target, ownDrives }: { target: Ref; ownDrives: ReadonlySet<Ref> },
): boolean {
  const using = store.where('VBD', 'VDI', target).filter(vbd => store.get('VBD', vbd).currently_attached)
  return code === 'VDI_IN_USE' && using.every(vbd => ownDrives.has(vbd))
}

/** A driver that cannot be asked is taken at its word that it can revert. */
async function explain({ services }: Call, { sr, snapshot, target }: Disks): Promise<RevertOutlook> {
  const { store, explainRevert } = services
  const { type, uuid: srUuid } = store.get('SR', sr)
  const [pbd] = store.where('PBD', 'SR', sr).map(ref => store.get('PBD', ref))
  const [snapshotUuid, targetUuid] = [store.get('VDI', snapshot).uuid, store.get('VDI', target).uuid]
  const question = { type, deviceConfig: pbd?.device_config ?? {}, srUuid, snapshotUuid, targetUuid }
  const outlook = await explainRevert?.(question)
  return outlook ?? { mode: 'unknown', virtualSize: store.get('VDI', snapshot).virtual_size, blockers: [] }
}

function planOf(
  { snapshot, target }: Omit<Disks, 'sr'>,
  outcome: DiskPlan['outcome'],
  { mode, virtualSize, spaceNeeded, depthBefore, depthAfter, blockers }: RevertOutlook,
): DiskPlan {
  return {
    snapshot,
    target,
    outcome,
    mode,
    virtual_size: virtualSize ?? 0,
    space_needed: spaceNeeded ?? 0,
    depth_before: depthBefore ?? 0,
    depth_after: depthAfter ?? 0,
    reasons: blockers.map(({ text }) => text),
  }
}
