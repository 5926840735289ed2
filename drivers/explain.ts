import { encodeMethodCall } from '../lib/smapi/xmlrpc.ts'
import { decodeRequest } from '../lib/smapi/Request.ts'
import { SmError } from '../lib/smapi/SmError.ts'
import type { System } from '../lib/os/system.ts'
import type { SmXapi } from '../lib/xapi/SmXapi.ts'
import { makeContext } from './makeContext.ts'
import type { Context } from './Context.ts'
import type { RevertExplanation, SR } from './SR.ts'

/** A revert that is only asked about. */
export interface RevertQuestion {
  /** Type of the SR, as in its record. */
  readonly type: string
  readonly deviceConfig: Readonly<Record<string, string>>
  readonly srUuid: string
  readonly snapshotUuid: string
  readonly targetUuid: string
}

type Driver = new (context: Context) => SR

const drivers: Readonly<Record<string, (() => Promise<Driver>) | undefined>> = {
  file: async () => (await import('./FileSR.ts')).FileSR,
  ext: async () => (await import('./EXTSR.ts')).EXTSR,
  nfs: async () => (await import('./NFSSR.ts')).NFSSR,
  lvm: lvhd,
  lvhd,
  lvmoiscsi: lvhdOverIscsi,
  lvhdoiscsi: lvhdOverIscsi,
  lvmohba: lvhdOverHba,
  lvhdohba: lvhdOverHba,
}

async function lvhd(): Promise<Driver> {
  return (await import('./LVHDSR.ts')).LVHDSR
}

async function lvhdOverIscsi(): Promise<Driver> {
  return (await import('./LVHDoISCSISR.ts')).LVHDoISCSISR
}

async function lvhdOverHba(): Promise<Driver> {
  return (await import('./LVHDoHBASR.ts')).LVHDoHBASR
}

/**
 * What vdi_revert would do and what stands in its way; nothing is changed and no lock is taken.
 * @throws SmError Unimplemented (a type without such an answer), SRUnavailable (not attached, or an interrupted operation
 * is pending), and those of vdi_revert that concern its arguments
 */
export async function explainVdiRevert(
  question: RevertQuestion,
  { system, xapi }: { system: System; xapi: SmXapi },
): Promise<RevertExplanation> {
  const Driver = await driverOf(question.type)
  if (Driver === undefined)
    throw new SmError('Unimplemented', `a revert on an SR of type ${question.type} cannot be explained`)
  const request = decodeRequest(documentOf(question))
  const { context, close } = makeContext(request, system)
  try {
    const sr = new Driver({ ...context, xapi })
    await sr.load()
    return await sr.explainRevert(question.snapshotUuid, request)
  } finally {
    await close()
  }
}

/** The driver of an SR type, undefined for a type that none of ours handles. */
export async function driverOf(type: string): Promise<Driver | undefined> {
  return Object.hasOwn(drivers, type) ? drivers[type]?.() : undefined
}

function documentOf({ deviceConfig, srUuid, snapshotUuid, targetUuid }: RevertQuestion): string {
  const struct = {
    command: 'vdi_revert',
    args: [targetUuid],
    device_config: { ...deviceConfig, SRmaster: 'true' },
    // Nothing is sent under it: the caller brings its own connection.
    session_ref: 'OpaqueRef:none',
    sr_uuid: srUuid,
    vdi_uuid: snapshotUuid,
  }
  return encodeMethodCall('vdi_revert', [struct])
}
