import type { Request } from '../../../lib/smapi/Request.ts'
import { SmError, type SmErrorName } from '../../../lib/smapi/SmError.ts'
import { pauseVdi, unpauseVdi } from '../../pause.ts'
import type { VdiInfo } from '../../VDI.ts'
import type { FileVDI } from '../FileVDI.ts'
import { MAX_CHAIN_DEPTH, newVhdName, vhdName } from '../layout.ts'
import { refuseChangeTracking } from '../preconditions.ts'
import { splitLeaf } from '../split.ts'
import { snapshotJournal, type SnapshotRecord } from './journal.ts'
import { introduceResult, type SnapshotResult } from './records.ts'
import { rollBackSnapshot } from './recovery.ts'

/** `double` makes a base and a second leaf; `single` and `internal` only the base (spec file-sr 11.1). */
type SnapshotType = 'double' | 'single' | 'internal'

interface Work {
  readonly vdi: FileVDI
  readonly request: Request
  readonly type: SnapshotType
  readonly ref: string
  readonly record: SnapshotRecord
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
 * Anything that goes wrong before 6 is taken back; after 6 nothing can fail the call.
 */
async function branch(
  vdi: FileVDI,
  options: { request: Request; type: SnapshotType; refused: SmErrorName },
): Promise<VdiInfo> {
  await requireBranchable(vdi)
  const { context } = vdi.sr
  const ref = await context.xapi.vdiGetByUuid(vdi.uuid)
  const record = newRecord(vdi, options.type)
  const work = { vdi, request: options.request, type: options.type, ref, record }
  const journal = snapshotJournal(vdi.sr, vdi.uuid)
  await journal.write(record)
  if (!(await pauseVdi(context, { ref, uuid: vdi.uuid }))) {
    await journal.remove()
    throw new SmError(options.refused, `VDI ${vdi.uuid} could not be paused`)
  }
  let result: SnapshotResult
  try {
    result = await makeLeaves(work)
    await introduceResult(vdi, ref, result)
    await journal.write({ ...record, state: 'committed' })
  } catch (error) {
    await rollBackSnapshot(vdi.sr, record)
    await resume(work)
    await journal.remove()
    throw asCloneFailure(error)
  }
  await finish(work)
  const uuid = result.destination ?? result.base ?? vdi.uuid
  return { location: uuid, uuid }
}

async function requireBranchable(vdi: FileVDI): Promise<void> {
  if (vdi.kind !== 'vhd') throw new SmError('Unimplemented')
  refuseChangeTracking(vdi)
  if (vdi.hidden) throw new SmError('VDIClone', 'hidden VDI')
  const depth = await (await vdi.sr.vhdUtil()).depth(vdi.path)
  if (depth >= MAX_CHAIN_DEPTH) throw new SmError('SnapshotChainTooLong')
}

function newRecord(vdi: FileVDI, type: SnapshotType): SnapshotRecord {
  const { newUuid, now } = vdi.sr.context.system
  const destination = type === 'double' ? { destination: newUuid() } : {}
  return {
    version: 1,
    state: 'started',
    vdi: vdi.uuid,
    ...destination,
    base: newUuid(),
    created: new Date(now()).toISOString(),
  }
}

/** The image work. An empty child needs no base of its own: its sibling takes the same parent (spec file-sr 11.3). */
async function makeLeaves({ vdi, record }: Work): Promise<SnapshotResult> {
  const tool = await vdi.sr.vhdUtil()
  const isEmptyChild = vdi.parent !== undefined && (await tool.allocatedBlocks(vdi.path)) === 0
  if (!isEmptyChild) {
    const split = { leaf: vdi.uuid, base: record.base, temporary: 'new' } as const
    await splitLeaf(vdi.sr, split, POINTS)
  }
  const source = isEmptyChild ? vdi.uuid : record.base
  const base = isEmptyChild ? undefined : record.base
  if (record.destination === undefined) return { base, parent: base ?? vdi.parent }
  await buildLeaf(vdi, record.destination, source)
  return { base, destination: record.destination, parent: base ?? vdi.parent }
}

async function buildLeaf(vdi: FileVDI, uuid: string, source: string): Promise<void> {
  const { files, effects } = vdi.sr.context.system
  const temporary = vdi.sr.file(newVhdName(uuid))
  await (await vdi.sr.vhdUtil()).snapshot(temporary, vdi.sr.file(vhdName(source)))
  await files.rename(temporary, vdi.sr.file(vhdName(uuid)))
  await files.syncDirectory(vdi.sr.path)
  effects.point('FileSR_snapshot_destination')
}

/** After the commit: what fails here is finished by the next scan. */
async function finish(work: Work): Promise<void> {
  const { vdi, request, type, ref } = work
  const { xapi, log } = vdi.sr.context
  try {
    if (type !== 'internal') await vdi.sr.adjustStatistics(vdi.virtualSize)
    await xapi.vdiRemoveFromOtherConfig(ref, 'leaf-coalesce')
    if (request.driverParams['mirror'] !== undefined) await xapi.vdiAddToOtherConfig(ref, 'leaf-coalesce', 'false')
    if (await resume(work)) await snapshotJournal(vdi.sr, vdi.uuid).remove()
  } catch (error) {
    log.error(`the snapshot of VDI ${vdi.uuid} is made, the next scan finishes its records: ${String(error)}`)
  }
}

function resume({ vdi, ref, request }: Work): Promise<boolean> {
  return unpauseVdi(vdi.sr.context, { ref, uuid: vdi.uuid }, request.driverParams['mirror'])
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
