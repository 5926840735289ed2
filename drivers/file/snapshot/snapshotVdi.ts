import type { Request } from '../../../lib/smapi/Request.ts'
import { SmError, type SmErrorName } from '../../../lib/smapi/SmError.ts'
import { pauseVdi } from '../../pause.ts'
import type { VdiInfo } from '../../VDI.ts'
import type { FileVDI } from '../FileVDI.ts'
import { MAX_CHAIN_DEPTH, newVhdName, vhdName } from '../layout.ts'
import { refuseChangeTracking } from '../preconditions.ts'
import { inspectDisk, parentUuidOf } from '../records.ts'
import { splitLeaf } from '../split.ts'
import { snapshotJournal, type SnapshotRecord } from './journal.ts'
import { introduceResult, type SnapshotResult } from './records.ts'
import { resumeVdi, rollBackSnapshot } from './recovery.ts'

/** `double` makes a base and a second leaf; `single` and `internal` only the base (spec file-sr 11.1). */
type SnapshotType = 'double' | 'single' | 'internal'

interface Work {
  readonly vdi: FileVDI
  readonly request: Request
  readonly type: SnapshotType
  readonly ref: string
  readonly record: SnapshotRecord
  /** The disk's `paused` key may be ours. */
  isPaused: boolean
}

const POINTS = { baseCreated: 'FileSR_snapshot_base', leafSwitched: 'FileSR_snapshot_leaf' }

/** @throws SmError Unimplemented, VDIClone, VDIUnavailable, SnapshotChainTooLong, VDISnapshot */
export async function snapshotVdi(vdi: FileVDI, request: Request): Promise<VdiInfo> {
  const wanted = request.driverParams['type']
  const type = wanted === 'single' || wanted === 'internal' ? wanted : 'double'
  return branch(vdi, { request, type, refused: 'VDISnapshot' })
}

/** @throws SmError Unimplemented, VDIClone, VDIUnavailable, SnapshotChainTooLong */
export async function cloneVdi(vdi: FileVDI, request: Request): Promise<VdiInfo> {
  return branch(vdi, { request, type: 'double', refused: 'VDIClone' })
}

/**
 * Makes a second leaf with the content of a disk (spec file-sr 11.2). Steps, under the SR lock:
 * 1. journal; 2. pause; 3. the base copy, unless the disk is an empty child already; 4. the new leaf; 5. records;
 * 6. commit: the journal says so; 7. statistics, resume, journal removed.
 * Anything that goes wrong before 6 is taken back; after 6 the call succeeds. In both cases the disk is resumed, and the
 * journal stays where that fails.
 */
async function branch(
  vdi: FileVDI,
  options: { request: Request; type: SnapshotType; refused: SmErrorName },
): Promise<VdiInfo> {
  await requireBranchable(vdi, options.refused)
  const ref = await vdi.sr.context.xapi.vdiGetByUuid(vdi.uuid)
  const record = await newRecord(vdi, options.type)
  const work: Work = { vdi, request: options.request, type: options.type, ref, record, isPaused: false }
  let result: SnapshotResult
  try {
    await snapshotJournal(vdi.sr, vdi.uuid).write(record)
    await pause(work, options.refused)
    result = await makeLeaves(work)
    await introduceResult(vdi, ref, result)
    await snapshotJournal(vdi.sr, vdi.uuid).write({ ...record, state: 'committed' })
  } catch (error) {
    await afterFailure(work, error)
    throw asCloneFailure(error)
  }
  await afterCommit(work)
  const uuid = result.destination ?? result.base ?? vdi.uuid
  return { location: uuid, uuid }
}

async function pause(work: Work, refused: SmErrorName): Promise<void> {
  const { vdi, ref } = work
  // Noted before the attempt: one that fails half-way has to be taken back too.
  work.isPaused = true
  if (await pauseVdi(vdi.sr.context, { ref, uuid: vdi.uuid })) return
  work.isPaused = false
  throw new SmError(refused, `VDI ${vdi.uuid} could not be paused`)
}

async function afterFailure({ vdi, record, request, isPaused }: Work, cause: unknown): Promise<void> {
  const { sr } = vdi
  sr.context.log.error(`snapshot of VDI ${vdi.uuid} failed, taking it back: ${String(cause)}`)
  let isResumed = !isPaused
  try {
    try {
      await rollBackSnapshot(sr, record)
    } finally {
      if (isPaused) isResumed = await resumeVdi(sr, vdi.uuid, request.driverParams['mirror'])
    }
    if (isResumed) await snapshotJournal(sr, vdi.uuid).remove()
  } catch (error) {
    sr.context.log.error(`the failed snapshot of VDI ${vdi.uuid} is left to the next scan: ${String(error)}`)
  }
}

/** A clone leaves the change log of its source as it is and true; a snapshot has to hand it over, which is not built yet. */
async function requireBranchable(vdi: FileVDI, refused: SmErrorName): Promise<void> {
  if (vdi.kind !== 'vhd') throw new SmError('Unimplemented')
  if (refused !== 'VDIClone') refuseChangeTracking(vdi)
  if (vdi.hidden) throw new SmError('VDIClone', 'hidden VDI')
  const depth = await (await vdi.sr.vhdUtil()).depth(vdi.path)
  if (depth >= MAX_CHAIN_DEPTH) throw new SmError('SnapshotChainTooLong')
  const { xapi } = vdi.sr.context
  if ('paused' in (await xapi.vdiGetSmConfig(await xapi.vdiGetByUuid(vdi.uuid)))) {
    throw new SmError(refused, `VDI ${vdi.uuid} is paused by another operation`)
  }
}

async function newRecord(vdi: FileVDI, type: SnapshotType): Promise<SnapshotRecord> {
  const { newUuid, now } = vdi.sr.context.system
  const destination = type === 'double' ? { destination: newUuid() } : {}
  return {
    version: 1,
    state: 'started',
    vdi: vdi.uuid,
    ...destination,
    base: newUuid(),
    baseVhd: (await inspectDisk(vdi.sr, vdi.uuid)).uuid,
    created: new Date(now()).toISOString(),
  }
}

/** The image work. An empty child needs no base of its own: its sibling takes the same parent (spec file-sr 11.3). */
async function makeLeaves({ vdi, record }: Work): Promise<SnapshotResult> {
  const tool = await vdi.sr.vhdUtil()
  const isEmptyChild = vdi.parent !== undefined && (await tool.allocatedBlocks(vdi.path)) === 0
  if (!isEmptyChild) {
    const split = { leaf: vdi.uuid, base: record.base, temporary: 'new', baseVhd: record.baseVhd } as const
    await splitLeaf(vdi.sr, split, POINTS)
  }
  const source = isEmptyChild ? vdi.uuid : record.base
  const base = isEmptyChild ? undefined : record.base
  if (record.destination === undefined) return { base, parent: base ?? vdi.parent }
  await buildLeaf(vdi, record.destination, source)
  // Read back: the tool passes over empty nodes.
  const parent = parentUuidOf(await inspectDisk(vdi.sr, record.destination))
  return { base, destination: record.destination, parent }
}

async function buildLeaf(vdi: FileVDI, uuid: string, source: string): Promise<void> {
  const { files, effects } = vdi.sr.context.system
  const temporary = vdi.sr.file(newVhdName(uuid))
  await (await vdi.sr.vhdUtil()).snapshot(temporary, vdi.sr.file(vhdName(source)))
  await files.rename(temporary, vdi.sr.file(vhdName(uuid)))
  await files.syncDirectory(vdi.sr.path)
  effects.point('FileSR_snapshot_destination')
}

/** After the commit: what fails here is finished by the next scan, and nothing keeps the disk from being resumed. */
async function afterCommit({ vdi, request, type, ref }: Work): Promise<void> {
  const { sr } = vdi
  const mirror = request.driverParams['mirror']
  const attempt = async (what: string, step: () => Promise<void>): Promise<void> => {
    try {
      await step()
    } catch (error) {
      sr.context.log.error(`the snapshot of VDI ${vdi.uuid} is made; ${what} failed: ${String(error)}`)
    }
  }
  if (type !== 'internal') await attempt('writing the statistics of the SR', () => sr.adjustStatistics(vdi.virtualSize))
  await attempt('telling the collector of it', async () => {
    await sr.context.xapi.vdiRemoveFromOtherConfig(ref, 'leaf-coalesce')
    if (mirror !== undefined) await sr.context.xapi.vdiAddToOtherConfig(ref, 'leaf-coalesce', 'false')
  })
  if (!(await resumeVdi(sr, vdi.uuid, mirror))) return
  await attempt('removing its journal', () => snapshotJournal(sr, vdi.uuid).remove())
}

/** Failures of tools and files surface as VDIClone, for a snapshot too, with the errno in the detail (spec file-sr 11.4). */
function asCloneFailure(error: unknown): unknown {
  if (error instanceof SmError || !(error instanceof Error)) return error
  const errno = numberOf(error)
  return errno === undefined ? error : new SmError('VDIClone', `VDI clone failed error ${errno}`, { cause: error })
}

function numberOf(error: Error): number | undefined {
  if ('exitCode' in error && typeof error.exitCode === 'number') return error.exitCode
  return 'errno' in error && typeof error.errno === 'number' ? Math.abs(error.errno) : undefined
}
