import { multiSessionText, resolve, targetsOf, type IscsiConfig, type SessionKey } from '../../lib/iscsi/config.ts'
import { ensureDaemon } from '../../lib/iscsi/daemon.ts'
import { discover } from '../../lib/iscsi/discovery.ts'
import { Iscsiadm } from '../../lib/iscsi/Iscsiadm.ts'
import { ANY_TARGET, portalText } from '../../lib/iscsi/names.ts'
import { tryPort } from '../../lib/os/tcp.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import type { Context } from '../Context.ts'
import { TargetSession, type SessionOptions } from './TargetSession.ts'

/** Whether an SR may have its LUN on any of several targets. */
export function hasManyTargets({ targetList, iqn }: IscsiConfig): boolean {
  return targetList.includes(',') || iqn === ANY_TARGET
}

/**
 * The connections of an SR: one, or one for each portal of each target that is listed, in the order of `multiSession`
 * where an earlier call has found them (spec iscsi-hba 8 "load").
 * @throws SmError DNSError (140), ISCSILogin (68), ISCSIInitiator (70), ISCSITarget (141), SMGeneral (202) where there is none
 */
export async function openSessions(
  context: Context,
  options: Omit<SessionOptions, 'portal' | 'iqn'>,
): Promise<TargetSession[]> {
  const { config } = options
  const make = ({ iqn, ...portal }: SessionKey) => new TargetSession(context, { ...options, portal, iqn })
  if (config.iqn === undefined) throw new SmError('ConfigTargetIQNMissing')
  if (!hasManyTargets(config)) {
    const [target = ''] = targetsOf(config.targetList)
    return [make({ address: await resolve(target), port: config.port, iqn: config.iqn })]
  }
  if (config.multiSession.length > 0) return config.multiSession.map(make)
  const keys = await findTargets(context, config)
  await options.pbd.setDeviceConfig('multiSession', present => present['multiSession'] ?? multiSessionText(keys))
  return keys.map(make)
}

/** What every target says of itself; one that fails does not keep the others from it. */
async function findTargets(context: Context, config: IscsiConfig): Promise<SessionKey[]> {
  const keys = new Map<string, SessionKey>()
  let failure: unknown = new SmError('ISCSITarget')
  for (const target of targetsOf(config.targetList)) {
    try {
      for (const key of await findPortals(context, config, target)) keys.set(multiSessionText([key]), key)
    } catch (error) {
      context.log.warn(`target ${target} is left out: ${String(error)}`)
      failure = error
    }
  }
  if (keys.size > 0) return [...keys.values()]
  if (failure instanceof SmError) throw failure
  throw new SmError('SMGeneral', String(failure), { cause: failure })
}

async function findPortals(context: Context, config: IscsiConfig, target: string): Promise<SessionKey[]> {
  const iscsiadm = new Iscsiadm(context)
  const portal = { address: await resolve(target), port: config.port }
  await ensureDaemon(iscsiadm, config.localIqn)
  await tryPort(portal.address, portal.port).catch((error: unknown) => {
    throw new SmError('ISCSITarget', undefined, { cause: error })
  })
  const account = config.credentials.outgoing
  const found: SessionKey[] = []
  for (const { address, port, iqn } of await discover(iscsiadm, { portal, account, iqn: config.iqn })) {
    try {
      await tryPort(address, port)
      found.push({ address, port, iqn })
    } catch (error) {
      context.log.warn(`${portalText({ address, port })} is left out: ${String(error)}`)
    }
  }
  return found
}
