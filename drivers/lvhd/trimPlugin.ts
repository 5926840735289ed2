import { trimVolume } from '../../lib/lvhd/names.ts'
import { CommandError } from '../../lib/os/run.ts'
import type { Lock } from '../../lib/lock/Lock.ts'
import type { StringMap } from '../../lib/xapi/XapiClient.ts'
import { uuidArgument, type HostContext, type HostFunction } from '../hostPlugin.ts'
import { probeDocument } from '../probeXml.ts'
import type { LvhdFamilySR } from './LvhdFamilySR.ts'
import { usingMasterSr } from './masterSr.ts'

const LOCK_TRIES = 3
const LOCK_WAIT_MS = 1000
const LAST_TRIGGERED = 'trim_last_triggered'
const NOT_SUPPORTED = /BLKDISCARD ioctl failed: Operation not supported/

/** The function of the host plugin `trim`, by which clients have an SR tell its disks what of them is free (spec lvhd 20). */
export const trimFunctions: Readonly<Record<string, HostFunction>> = { do_trim: doTrim }

/** Why nothing was trimmed, by the reference's names. */
class TrimError extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** `True`, or a document that says why not: clients parse it. */
async function doTrim(context: HostContext, args: StringMap): Promise<string> {
  try {
    const srUuid = uuidArgument(args, 'sr_uuid')
    await requireSupport(context, srUuid)
    await usingMasterSr(context, srUuid, trimSr)
    return 'True'
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    context.log.error(`trim of SR ${args['sr_uuid'] ?? ''} failed: ${message}`)
    return trimDocument(codeOf(error), message)
  }
}

async function requireSupport({ xapi }: HostContext, srUuid: string): Promise<void> {
  const { type } = await xapi.srGetRecord(await xapi.srGetByUuid(srUuid))
  if ((await xapi.smCapabilities(type)).includes('SR_TRIM')) return
  throw new TrimError('UnsupportedSRForTrim', `Trim on SR of type ${type} is not supported`)
}

/**
 * Discards a volume over all that is free, which nobody else can take meanwhile. A process that dies leaves the volume; the
 * next trim or recovery removes it.
 */
async function trimSr(sr: LvhdFamilySR): Promise<void> {
  const { group, context } = sr
  const lock = await lockBriefly(sr)
  try {
    const volume = trimVolume(sr.uuid)
    if ((await group.volume(volume)) !== undefined) await group.remove(volume)
    const { free, extentSize } = await group.report()
    if (free < extentSize) throw new TrimError('Trim failed on full SR', `only ${free} bytes are free`)
    await group.createOverFreeSpace(volume)
    try {
      await context.system.run(['/usr/sbin/blkdiscard', '-v', group.path(volume)])
    } catch (error) {
      if (!(error instanceof CommandError) || !NOT_SUPPORTED.test(error.stderr)) throw error
    } finally {
      await group.remove(volume)
    }
    await noteTime(sr)
  } finally {
    await lock.release()
  }
}

async function lockBriefly({ uuid, context }: LvhdFamilySR): Promise<Lock> {
  for (let attempt = 1; attempt <= LOCK_TRIES; attempt += 1) {
    const lock = await context.locks.tryLock(uuid, 'sr')
    if (lock !== undefined) return lock
    if (attempt < LOCK_TRIES) await new Promise(resolve => setTimeout(resolve, LOCK_WAIT_MS))
  }
  throw new TrimError('SRUnavailable', `SR ${uuid} is busy`)
}

async function noteTime(sr: LvhdFamilySR): Promise<void> {
  const { xapi, system } = sr.context
  const ref = await sr.srRef()
  await xapi.srRemoveFromOtherConfig(ref, LAST_TRIGGERED)
  await xapi.srAddToOtherConfig(ref, LAST_TRIGGERED, String(Math.floor(system.now() / 1000)))
}

function codeOf(error: unknown): string {
  if (error instanceof TrimError) return error.code
  return error instanceof CommandError ? 'TrimException' : 'UnknownTrimException'
}

function trimDocument(code: string, message: string): string {
  const pairs = Object.entries({ errcode: code, errmsg: message })
  const elements = pairs.map(([key, value]) => ['key_value_pair', Object.entries({ key, value })] as const)
  return probeDocument(['trim_response', elements])
}
