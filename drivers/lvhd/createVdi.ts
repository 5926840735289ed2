import { volumeOf, type VdiType } from '../../lib/lvhd/names.ts'
import { fullVhdVolumeSize, rawVolumeSize, ROOM_FOR, THIN_VOLUME } from '../../lib/lvhd/sizes.ts'
import { roundVirtualSize } from '../../lib/vhd/virtualSize.ts'
import { isLvmError } from '../../lib/lvm/LvmError.ts'
import { parseCreateArguments, parseSize } from '../../lib/smapi/commands.ts'
import { hasIllegalXmlChar } from '../../lib/smapi/labels.ts'
import type { Request } from '../../lib/smapi/Request.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import { epoch } from '../../lib/xapi/SmXapi.ts'
import { findVdi, forgetVdi } from '../records.ts'
import type { VdiInfo } from '../VDI.ts'
import { findVolume } from './disks.ts'
import type { LvhdVDI } from './LvhdVDI.ts'
import { unfinishedVolume } from './layout.ts'
import { metadataOfNew } from './metadata.ts'

interface NewDisk {
  readonly type: VdiType
  /** Bytes. */
  readonly virtualSize: number
  /** Bytes. */
  readonly volumeSize: number
}

/**
 * vdi_create (spec lvhd 14). Steps, under the SR lock:
 * 1. the volume under a name that is no disk's, and in it the VHD, durable;
 * 2. introduce the record;
 * 3. commit: rename to the disk's name;
 * 4. metadata entry, statistics, deactivation.
 * Stopped before 3, the volume is removed by the next recovery and the record forgotten by the next scan; after it the
 * next scan adds the entry.
 * @throws SmError IllegalXMLChar, VDIExists, VDISize, VDICreate, SRNoSpace, MetadataError
 */
export async function createVdi(vdi: LvhdVDI, request: Request): Promise<VdiInfo> {
  const { sr } = vdi
  requireLegalLabels(request)
  const disk = await plan(vdi, request)
  if (await exists(vdi)) throw new SmError('VDIExists')
  await sr.requireFree(disk.volumeSize)
  if (!(await sr.isLegacy()) && !(await sr.metadata.hasRoom()))
    throw new SmError('MetadataError', 'no room for another VDI')
  const volume = volumeOf(disk.type, vdi.uuid)
  let isIntroduced = false
  try {
    await build(vdi, disk)
    await introduceCreated(vdi, request, disk)
    isIntroduced = true
    await sr.group.rename(unfinishedVolume(vdi.uuid), volume)
  } catch (error) {
    await takeBack(vdi, isIntroduced)
    throw asCreateFailure(error)
  }
  await afterwards(vdi, 'its metadata entry', () => addEntry(vdi, request))
  await afterwards(vdi, 'the statistics of the SR', () => sr.adjustStatistics(disk.virtualSize))
  await afterwards(vdi, 'deactivating it', () => sr.group.deactivate([volume]))
  return vdi.info()
}

function requireLegalLabels(request: Request): void {
  const [, label = '', description = ''] = request.args
  if (hasIllegalXmlChar(label) || hasIllegalXmlChar(description)) {
    throw new SmError('IllegalXMLChar', 'name and description must consist of characters that XML 1.0 permits')
  }
}

async function plan(vdi: LvhdVDI, request: Request): Promise<NewDisk> {
  const { sr } = vdi
  const wanted = request.vdiSmConfig['type']
  const isLegacy = await sr.isLegacy()
  if (wanted !== undefined && wanted !== 'vhd' && wanted !== 'raw') throw new SmError('VDICreate', 'bad type')
  if (wanted === 'vhd' && isLegacy) throw new SmError('VDICreate', 'Cannot create VHD type disk in legacy mode')
  const requested = parseSize(request.args[0] ?? '')
  if (wanted === 'raw' || isLegacy) {
    const size = rawVolumeSize(requested)
    return { type: 'aio', virtualSize: size, volumeSize: size }
  }
  const virtualSize = roundVirtualSize(requested)
  const isThick = (await sr.allocation()) === 'thick'
  return { type: 'vhd', virtualSize, volumeSize: isThick ? fullVhdVolumeSize(virtualSize) : THIN_VOLUME }
}

/** Also of a format that is not known. */
async function exists(vdi: LvhdVDI): Promise<boolean> {
  try {
    return (await findVolume(vdi.sr, vdi.uuid)) !== undefined
  } catch (error) {
    if (error instanceof SmError && (error.errorName === 'VDILoad' || error.errorName === 'VDIType')) return true
    throw error
  }
}

async function build(vdi: LvhdVDI, { type, virtualSize, volumeSize }: NewDisk): Promise<void> {
  const { group, context } = vdi.sr
  const unfinished = unfinishedVolume(vdi.uuid)
  await group.create(unfinished, volumeSize)
  if (type !== 'vhd') return
  const tool = await vdi.sr.vhdUtil()
  await tool.create(group.path(unfinished), virtualSize, { maxSize: ROOM_FOR })
  const keyHash = context.request.vdiSmConfig['key_hash']
  if (keyHash !== undefined) await tool.setKeyHash(group.path(unfinished), keyHash)
}

async function introduceCreated(vdi: LvhdVDI, request: Request, disk: NewDisk): Promise<void> {
  const args = parseCreateArguments(request.args)
  const smConfig: Record<string, string> = { vdi_type: disk.type }
  for (const key of ['type', 'base_mirror', 'key_hash'] as const) {
    const value = request.vdiSmConfig[key]
    if (value !== undefined) smConfig[key] = value
  }
  await vdi.sr.context.xapi.vdiDbIntroduce({
    uuid: vdi.uuid,
    name_label: args.nameLabel,
    name_description: args.nameDescription,
    SR: await vdi.sr.srRef(),
    type: request.vdiType ?? 'user',
    sharable: false,
    read_only: args.readOnly,
    location: vdi.uuid,
    sm_config: smConfig,
    managed: true,
    virtual_size: disk.virtualSize,
    physical_utilisation: disk.volumeSize,
    metadata_of_pool: args.metadataOfPool,
    is_a_snapshot: args.isASnapshot,
    snapshot_time: args.snapshotTime === '' ? epoch : args.snapshotTime,
    snapshot_of: args.snapshotOf,
    cbt_enabled: false,
  })
}

async function addEntry(vdi: LvhdVDI, request: Request): Promise<void> {
  const { sr } = vdi
  if (await sr.isLegacy()) return
  const { xapi } = sr.context
  const ref = await findVdi(xapi, vdi.uuid)
  if (ref === undefined) return
  const entry = metadataOfNew(await xapi.vdiGetRecord(ref))
  await sr.metadata.add({ ...entry, snapshotOf: await uuidOf(vdi, parseCreateArguments(request.args).snapshotOf) })
}

/** What a disk is a snapshot of comes as a uuid or a reference. */
async function uuidOf(vdi: LvhdVDI, origin: string): Promise<string> {
  if (!origin.startsWith('OpaqueRef:')) return origin
  return origin === 'OpaqueRef:NULL' ? '' : vdi.sr.context.xapi.vdiGetUuid(origin)
}

/**
 * Removes what a failed call made: a record that could not be introduced may be that of another disk with this uuid. What
 * that fails to remove, recovery and the next scan do.
 */
async function takeBack(vdi: LvhdVDI, isIntroduced: boolean): Promise<void> {
  const { group, context } = vdi.sr
  const names = [unfinishedVolume(vdi.uuid), volumeOf('vhd', vdi.uuid), volumeOf('aio', vdi.uuid)]
  await afterwards(vdi, 'removing its volume', async () => {
    group.forget()
    const { volumes } = await group.report()
    for (const name of names) if (volumes.has(name)) await group.remove(name)
  })
  if (isIntroduced) await afterwards(vdi, 'forgetting its record', () => forgetVdi(context.xapi, vdi.uuid))
}

async function afterwards(vdi: LvhdVDI, what: string, step: () => Promise<unknown>): Promise<void> {
  try {
    await step()
  } catch (error) {
    vdi.sr.context.log.error(`VDI ${vdi.uuid}: ${what} is left to the next scan: ${String(error)}`)
  }
}

function asCreateFailure(error: unknown): unknown {
  if (error instanceof SmError || !(error instanceof Error)) return error
  if (isLvmError(error, 'noSpace')) return new SmError('SRNoSpace', undefined, { cause: error })
  const number = 'exitCode' in error ? error.exitCode : 'errno' in error ? error.errno : undefined
  if (typeof number !== 'number') return error
  return new SmError('VDICreate', `error ${Math.abs(number)}`, { cause: error })
}
