import { decodeRequest } from '../../lib/smapi/Request.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import { encodeMethodCall } from '../../lib/smapi/xmlrpc.ts'
import type { PbdRecord } from '../../lib/xapi/SmXapi.ts'
import type { Ref } from '../../lib/xapi/XapiClient.ts'
import { driverOf } from '../explain.ts'
import type { HostContext } from '../hostPlugin.ts'
import { makeContext } from '../makeContext.ts'
import { LvhdFamilySR } from './LvhdFamilySR.ts'

/**
 * Works with an SR of this family on its master, as host plugins do that are not called by the driver. What the work holds
 * active is dropped at its end.
 * @throws SmError SRUnavailable where the SR is not attached here, LVMMaster where this host is not its master
 */
export async function usingMasterSr<T>(
  host: HostContext,
  srUuid: string,
  work: (sr: LvhdFamilySR) => Promise<T>,
): Promise<T> {
  const { xapi, system } = host
  const srRef = await xapi.srGetByUuid(srUuid)
  const { type } = await xapi.srGetRecord(srRef)
  const Driver = await driverOf(type)
  const { hostRef, pbd } = await requireMaster(host, srRef)
  const struct = {
    command: 'sr_update',
    args: [],
    device_config: { ...pbd.device_config, SRmaster: 'true' },
    // Nothing is sent under it: the plugin has its own connection.
    session_ref: 'OpaqueRef:none',
    host_ref: hostRef,
    sr_ref: srRef,
    sr_uuid: srUuid,
  }
  const { context, close } = makeContext(decodeRequest(encodeMethodCall('sr_update', [struct])), system)
  try {
    const sr = Driver === undefined ? undefined : new Driver({ ...context, ...host })
    if (!(sr instanceof LvhdFamilySR)) throw new SmError('SRUnavailable', `SR ${srUuid} is no volume group`)
    await sr.load()
    try {
      return await work(sr)
    } finally {
      await sr.cleanup()
    }
  } finally {
    await close()
  }
}

/** A local SR is mastered by the host that has it, a shared one by the pool's master. */
async function requireMaster(host: HostContext, srRef: Ref): Promise<{ hostRef: Ref; pbd: PbdRecord }> {
  const { xapi } = host
  const hostRef = await xapi.hostGetByUuid(await ownUuid(host))
  const pbds = [...(await xapi.pbdRecordsWhere(`field "SR" = "${srRef}"`)).values()]
  const pbd = pbds.find(candidate => candidate.host === hostRef)
  if (pbd?.currently_attached !== true) throw new SmError('SRUnavailable', 'the SR is not attached to this host')
  const { shared } = await xapi.srGetRecord(srRef)
  if (shared && (await xapi.poolGetMaster()) !== hostRef) throw new SmError('LVMMaster')
  return { hostRef, pbd }
}

async function ownUuid({ system, paths }: HostContext): Promise<string> {
  const [, uuid] = /^INSTALLATION_UUID='?([0-9a-f-]{36})'?$/m.exec(await system.files.readText(paths.inventory)) ?? []
  if (uuid === undefined) throw new Error(`${paths.inventory} does not say which host this is`)
  return uuid
}
