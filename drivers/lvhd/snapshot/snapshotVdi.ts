import { hasChangeLog, refuseChangeTracking } from '../changeTracking.ts'
import type { Request } from '../../../lib/smapi/Request.ts'
import { SmError, type SmErrorName } from '../../../lib/smapi/SmError.ts'
import { isLvmError } from '../../../lib/lvm/LvmError.ts'
import type { VdiRecord } from '../../../lib/xapi/SmXapi.ts'
import type { Ref } from '../../../lib/xapi/XapiClient.ts'
import { hostsOf } from '../../pause.ts'
import type { VdiInfo } from '../../VDI.ts'
import { readDisks, type Disk } from '../disks.ts'
import type { LvhdVDI } from '../LvhdVDI.ts'
import { MAX_CHAIN_DEPTH } from '../layout.ts'
import { pauseNoted, resumeNoted } from '../pauses.ts'
import { undoClone } from '../recovery/undoClone.ts'
import { dropUnusedBase, makeBranch, type Made } from './branch.ts'
import { otherHostsOf, type Branch } from './makeLeaves.ts'
import { branchSizes } from './sizes.ts'

/** `double` makes a base and a second leaf; `single` and `internal` only the base (spec lvhd 15). */
export type SnapshotType = 'double' | 'single' | 'internal'

const POINTS = {
  baseMade: 'LVHDRT_clone_vdi_after_shrink_parent',
  leafMade: 'LVHDRT_clone_vdi_after_first_snap',
}

interface Source {
  readonly vdi: LvhdVDI
  readonly ref: Ref
  readonly disk: Disk
  /** Uuids of the disk and its ancestors with their volumes. */
  readonly chain: readonly Disk[]
}

/**
 * vdi_snapshot and vdi_clone (spec lvhd 15). Steps, under the SR lock: 1. pause; 2. `clone` journal; 3. base and leaves;
 * 4. records; 5. commit: the journal goes; 6. statistics, an unused base, resume. Until 5 what fails is taken back, and an
 * interrupted snapshot is either completed or taken back by the next command on the master; from then on the call succeeds.
 * @throws SmError Unimplemented, VDISnapshot, VDIClone, VDIUnavailable, SnapshotChainTooLong, SRNoSpace, MetadataError
 */
export async function snapshotVdi(vdi: LvhdVDI, request: Request, type: SnapshotType): Promise<VdiInfo> {
  const { sr } = vdi
  const refused = request.command === 'vdi_clone' ? 'VDIClone' : 'VDISnapshot'
  const source = await requireBranchable(vdi, refused)
  await requireEntries(vdi, type)
  await requirePaused(source, refused)
  const mirror = request.driverParams['mirror']
  let made: Made
  try {
    made = await branchPaused(source, request, type)
  } catch (error) {
    await resumeNoted(sr, vdi.uuid, mirror)
    throw asCloneFailure(error)
  }
  await afterCommit(source, made, { type, mirror })
  const uuid = made.newLeaf?.uuid ?? made.base?.uuid ?? vdi.uuid
  return { location: uuid, uuid }
}

async function requireBranchable(vdi: LvhdVDI, refused: SmErrorName): Promise<Source> {
  const { sr } = vdi
  const { xapi } = sr.context
  if (await sr.isLegacy()) throw new SmError('Unimplemented', 'In legacy mode')
  const disk = await vdi.read()
  if (disk.hidden) throw new SmError('VDISnapshot', 'hidden VDI')
  const ref = await xapi.vdiGetByUuid(vdi.uuid)
  const smConfig = await xapi.vdiGetSmConfig(ref)
  if (disk.type === 'aio' && smConfig['type'] === 'raw') {
    throw new SmError('Unimplemented', 'Raw VDI, snapshot or clone not permitted')
  }
  // A clone leaves the change log of its source as it is and true; a snapshot has to hand it over, which is not built yet.
  if (refused !== 'VDIClone' && (await hasChangeLog(sr, vdi.uuid))) await refuseChangeTracking(sr, vdi.uuid)
  const chain = await readChain(vdi)
  if (disk.type === 'vhd' && chain.length >= MAX_CHAIN_DEPTH) throw new SmError('SnapshotChainTooLong')
  if ('paused' in smConfig) throw new SmError(refused, `VDI ${vdi.uuid} is paused by another operation`)
  return { vdi, ref, disk, chain }
}

/** Before anything is paused: without room for base and leaf it would all be taken back. @throws SmError MetadataError */
async function requireEntries({ sr }: LvhdVDI, type: SnapshotType): Promise<void> {
  if (!(await sr.metadata.hasRoom(type === 'double' ? 2 : 1))) {
    throw new SmError('MetadataError', 'no room for more VDIs')
  }
}

/** @throws SmError VDIUnavailable where a part of the chain is missing or cannot be read */
async function readChain(vdi: LvhdVDI): Promise<Disk[]> {
  const { disks } = await readDisks(vdi.sr, [vdi.uuid])
  const chain: Disk[] = []
  for (let next: string | undefined = vdi.uuid; next !== undefined;) {
    const disk: Disk | undefined = disks.get(next)
    if (disk === undefined || chain.includes(disk)) {
      throw new SmError('VDIUnavailable', `the chain of VDI ${vdi.uuid} ends at ${next}`)
    }
    chain.push(disk)
    next = disk.parent
  }
  return chain
}

async function requirePaused({ vdi, ref }: Source, refused: SmErrorName): Promise<void> {
  if (await pauseNoted(vdi.sr, { ref, uuid: vdi.uuid })) return
  throw new SmError(refused, `VDI ${vdi.uuid} could not be paused`)
}

async function branchPaused(source: Source, request: Request, type: SnapshotType): Promise<Made> {
  const { vdi, ref, disk, chain } = source
  const { sr } = vdi
  const { newUuid } = sr.context.system
  await sr.activator.hold(chain.map(({ uuid, volume }) => ({ uuid, volume: volume.name })))
  const record = await sr.context.xapi.vdiGetRecord(ref)
  const sizes = branchSizes(await factsOf(source, record, { request, type }))
  await sr.requireFree(sizes.needed)
  const [base, newLeaf] = [newUuid(), type === 'double' ? newUuid() : undefined]
  const otherHosts = otherHostsOf(sr, record.sm_config)
  const branch: Branch = { sr, disk: vdi.uuid, type: disk.type, base, newLeaf, sizes, otherHosts, points: POINTS }
  try {
    return await makeBranch(branch, ref, request.command === 'vdi_snapshot')
  } catch (error) {
    sr.context.log.error(`snapshot of VDI ${vdi.uuid} failed, taking it back: ${String(error)}`)
    await takeBack(branch)
    throw error
  }
}

async function factsOf(
  { vdi, disk }: Source,
  record: VdiRecord,
  { request, type }: { request: Request; type: SnapshotType },
) {
  const { sr } = vdi
  const physicalSize =
    disk.type === 'aio' ? disk.volume.size : await (await sr.vhdUtil()).physicalSize(sr.group.path(disk.volume.name))
  return {
    command: request.command === 'vdi_clone' ? ('vdi_clone' as const) : ('vdi_snapshot' as const),
    makesLeaf: type === 'double',
    allocation: await sr.allocation(),
    type: disk.type,
    virtualSize: disk.virtualSize,
    volumeSize: disk.volume.size,
    physicalSize,
    isASnapshot: record.is_a_snapshot,
    isAttached: hostsOf(record.sm_config).length > 0,
  }
}

/** What it fails to take back, the journal tells the next command on the master. */
async function takeBack({ sr, disk, base, newLeaf }: Branch): Promise<void> {
  try {
    sr.group.forget()
    if (!(await sr.journals.has(disk))) return
    await undoClone(sr, { disk, base, newLeaf })
    await sr.journals.remove('clone', disk)
  } catch (error) {
    sr.context.log.error(`the failed snapshot of VDI ${disk} is left to the next scan: ${String(error)}`)
  }
}

/** After the commit: what fails here is finished by the next scan, and nothing keeps the disk from being resumed. */
async function afterCommit(
  { vdi, ref, disk }: Source,
  made: Made,
  { type, mirror }: { type: SnapshotType; mirror: string | undefined },
): Promise<void> {
  const { sr } = vdi
  const { xapi, log } = sr.context
  const attempt = async (what: string, step: () => Promise<void>): Promise<void> => {
    try {
      await step()
    } catch (error) {
      log.error(`the snapshot of VDI ${vdi.uuid} is made; ${what} failed: ${String(error)}`)
    }
  }
  // In the reference's order: an unused base counts until the next scan.
  if (type !== 'internal') {
    await attempt('writing the statistics of the SR', () => sr.adjustStatistics(disk.virtualSize))
  }
  await attempt('removing its unused base', () => dropUnusedBase(made))
  await attempt('telling the collector of it', async () => {
    await xapi.vdiRemoveFromOtherConfig(ref, 'leaf-coalesce')
    if (mirror !== undefined) await xapi.vdiAddToOtherConfig(ref, 'leaf-coalesce', 'false')
  })
  await resumeNoted(sr, vdi.uuid, mirror)
}

/** Failures of tools and files surface as VDIClone, for a snapshot too (spec lvhd 15). */
function asCloneFailure(error: unknown): unknown {
  if (error instanceof SmError || !(error instanceof Error)) return error
  if (isLvmError(error, 'noSpace')) return new SmError('SRNoSpace', undefined, { cause: error })
  const number = 'exitCode' in error ? error.exitCode : 'errno' in error ? error.errno : undefined
  return typeof number === 'number' ? new SmError('VDIClone', error.message, { cause: error }) : error
}
