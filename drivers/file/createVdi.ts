import { parseSize } from '../../lib/smapi/commands.ts'
import { hasIllegalXmlChar } from '../../lib/smapi/labels.ts'
import type { Request } from '../../lib/smapi/Request.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import { roundVirtualSize } from '../../lib/vhd/virtualSize.ts'
import type { VdiInfo } from '../VDI.ts'
import type { FileKind, FileVDI } from './FileVDI.ts'
import { newVhdName, rawName, unknownFormatOf, vhdName } from './layout.ts'
import { requireMounted } from './preconditions.ts'
import { forgetUuid } from './records.ts'

/** Keys of `vdi_sm_config` that end up in the record. */
const PASSED_THROUGH = ['base_mirror', 'key_hash'] as const

/** @throws SmError VDIType */
export function requestedKind(request: Request): FileKind {
  const type = request.vdiSmConfig['type'] ?? 'vhd'
  if (type !== 'vhd' && type !== 'raw') throw new SmError('VDIType', `Invalid VDI type ${type}`)
  return type
}

/**
 * vdi_create (spec file-sr 9.1). Steps, under the SR lock:
 * 1. build the image under a temporary name and make it durable;
 * 2. introduce the record;
 * 3. commit: rename to the final name, fsync the directory.
 * Stopped before 3, the temporary file is removed by the next recovery and the record forgotten by the next scan.
 * @throws SmError IllegalXMLChar, VDIExists, VDISize, VDICreate, SRUnavailable
 */
export async function createVdi(vdi: FileVDI, request: Request): Promise<VdiInfo> {
  requireLegalLabels(request)
  await requireMounted(vdi.sr)
  await requireAbsent(vdi)
  const size = virtualSizeFor(vdi.kind, parseSize(request.args[0] ?? ''))
  const temporary = vdi.sr.file(vdi.kind === 'vhd' ? newVhdName(vdi.uuid) : `${rawName(vdi.uuid)}.new`)
  let isIntroduced = false
  try {
    await buildImage(vdi, temporary, size)
    vdi.virtualSize = vdi.kind === 'vhd' ? await (await vdi.sr.vhdUtil()).virtualSize(temporary) : size
    vdi.physicalUtilisation = (await vdi.sr.context.system.files.stat(temporary)).size
    await introduceCreated(vdi, request)
    isIntroduced = true
    await vdi.sr.context.system.files.rename(temporary, vdi.path)
    await vdi.sr.context.system.files.syncDirectory(vdi.sr.path)
  } catch (error) {
    await takeBack(vdi, temporary, isIntroduced)
    throw asCreateFailure(error)
  }
  try {
    await vdi.sr.adjustStatistics(vdi.virtualSize)
  } catch (error) {
    vdi.sr.context.log.error(`VDI ${vdi.uuid} is made; the SR's statistics are left to the next scan: ${String(error)}`)
  }
  return vdi.info()
}

/**
 * Removes what a failed call made: a record that could not be introduced may be that of another disk with this uuid. What
 * that fails to remove, recovery and the next scan do.
 */
async function takeBack(vdi: FileVDI, temporary: string, isIntroduced: boolean): Promise<void> {
  const { files } = vdi.sr.context.system
  const steps = [
    () => files.unlinkIfPresent(temporary),
    () => files.unlinkIfPresent(vdi.path),
    ...(isIntroduced ? [() => forgetUuid(vdi.sr, vdi.uuid)] : []),
  ]
  for (const step of steps) {
    try {
      await step()
    } catch (error) {
      vdi.sr.context.log.error(`taking back VDI ${vdi.uuid}: ${String(error)}`)
    }
  }
}

function asCreateFailure(error: unknown): unknown {
  if (error instanceof SmError || !(error instanceof Error)) return error
  if (!('errno' in error) || typeof error.errno !== 'number') return error
  return new SmError('VDICreate', `error ${Math.abs(error.errno)}`, { cause: error })
}

function requireLegalLabels(request: Request): void {
  const [, label = '', description = ''] = request.args
  if (hasIllegalXmlChar(label) || hasIllegalXmlChar(description)) {
    throw new SmError('IllegalXMLChar', 'name and description must consist of characters that XML 1.0 permits')
  }
}

async function requireAbsent(vdi: FileVDI): Promise<void> {
  const { files } = vdi.sr.context.system
  for (const name of [vhdName(vdi.uuid), rawName(vdi.uuid)]) {
    if (await files.exists(vdi.sr.file(name))) throw new SmError('VDIExists')
  }
  if (unknownFormatOf(await vdi.sr.listNames(), vdi.uuid) !== undefined) throw new SmError('VDIExists')
}

function virtualSizeFor(kind: FileKind, requested: number): number {
  if (kind === 'vhd') return roundVirtualSize(requested)
  if (requested < 0 || !Number.isSafeInteger(requested)) throw new SmError('VDISize', 'no file can have this size')
  return requested
}

async function buildImage(vdi: FileVDI, temporary: string, size: number): Promise<void> {
  if (vdi.kind === 'vhd') {
    const tool = await vdi.sr.vhdUtil()
    await tool.create(temporary, size)
    const keyHash = vdi.sr.context.request.vdiSmConfig['key_hash']
    if (keyHash !== undefined) await tool.setKeyHash(temporary, keyHash)
    return
  }
  const { files } = vdi.sr.context.system
  await files.using(files.create(temporary), async file => {
    await file.truncate(size)
    await file.sync()
  })
}

async function introduceCreated(vdi: FileVDI, request: Request): Promise<void> {
  const [, label = '', description = '', metadataOfPool = '', isASnapshot, snapshotTime, snapshotOf = '', readOnly] =
    request.args
  const smConfig: Record<string, string> = vdi.kind === 'raw' ? { type: 'raw' } : {}
  for (const key of PASSED_THROUGH) {
    const value = request.vdiSmConfig[key]
    if (value !== undefined) smConfig[key] = value
  }
  await vdi.sr.context.xapi.vdiDbIntroduce({
    uuid: vdi.uuid,
    name_label: label,
    name_description: description,
    SR: await vdi.sr.srRef(),
    type: request.vdiType ?? 'user',
    sharable: false,
    read_only: readOnly === 'true',
    location: vdi.uuid,
    sm_config: smConfig,
    managed: true,
    virtual_size: vdi.virtualSize,
    physical_utilisation: vdi.physicalUtilisation,
    metadata_of_pool: metadataOfPool,
    is_a_snapshot: isASnapshot === 'true',
    ...(snapshotTime === undefined || snapshotTime === '' ? {} : { snapshot_time: snapshotTime }),
    snapshot_of: snapshotOf,
    cbt_enabled: false,
  })
}
