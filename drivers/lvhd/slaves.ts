import { nullRef } from '../../lib/xapi/SmXapi.ts'
import { XapiError, type Ref, type StringMap } from '../../lib/xapi/XapiClient.ts'
import type { Context } from '../Context.ts'

/** What another host of the pool is told about a volume (spec lvhd 17). */
export type SlaveAction =
  | { readonly action: 'activate' | 'deactivate'; readonly uuid: string; readonly lvName: string }
  | { readonly action: 'deactivateNoRefcount' | 'refresh'; readonly lvName: string }
  | { readonly action: 'cleanupLockAndRefcount'; readonly uuid: string }

/** The SR whose volumes are meant. */
export interface SlaveScope {
  readonly srUuid: string
  readonly vgName: string
}

/**
 * Has each of the hosts carry out the actions, in their order, through its `on-slave` plugin. A host that is down has
 * nothing of the SR in use and is passed over.
 * @throws XapiError where a live host fails to do so; the hosts after it are not asked then
 */
export async function tellHosts(
  context: Context,
  scope: SlaveScope,
  hosts: readonly Ref[],
  actions: readonly SlaveAction[],
): Promise<void> {
  const args = multiArguments(scope, actions)
  for (const host of hosts) {
    try {
      await context.xapi.hostCallPlugin(host, 'on-slave', 'multi', args)
    } catch (error) {
      if (!(error instanceof XapiError) || (await isLive(context, host))) throw error
      context.log.warn(`${host} is down and was not told of ${scope.vgName}: ${String(error)}`)
    }
  }
}

/** Hosts other than this one on which the SR is attached. */
export async function otherHosts({ xapi, request }: Context, srRef: Ref): Promise<Ref[]> {
  const pbds = await xapi.pbdRecordsWhere(`field "SR" = "${srRef}"`)
  const hosts = [...pbds.values()].filter(pbd => pbd.currently_attached).map(pbd => pbd.host)
  return hosts.filter(host => host !== request.hostRef)
}

/** The three actions by which a host takes up what the master changed under its open volume. */
export function refreshActions(uuid: string, lvName: string): SlaveAction[] {
  return [
    { action: 'activate', uuid, lvName },
    { action: 'refresh', lvName },
    { action: 'deactivate', uuid, lvName },
  ]
}

/** The two actions by which a host lets go of a volume that is to be removed, or to bear another name. */
export function dropActions(uuid: string, lvName: string): SlaveAction[] {
  return [
    { action: 'deactivateNoRefcount', lvName },
    { action: 'cleanupLockAndRefcount', uuid },
  ]
}

function multiArguments({ srUuid, vgName }: SlaveScope, actions: readonly SlaveAction[]): StringMap {
  const args: Record<string, string> = { vgName }
  for (const [index, step] of actions.entries()) {
    const number = String(index + 1)
    args[`action${number}`] = step.action
    if ('lvName' in step) args[`lvName${number}`] = step.lvName
    if ('uuid' in step) {
      args[`uuid${number}`] = step.uuid
      args[`ns${number}`] = `lvm-${srUuid}`
    }
  }
  return args
}

export async function isLive({ xapi, log }: Context, host: Ref): Promise<boolean> {
  try {
    const { metrics } = await xapi.hostGetRecord(host)
    return metrics === nullRef || (await xapi.hostIsLive(metrics))
  } catch (error) {
    if (error instanceof XapiError && error.code === 'HANDLE_INVALID') return false
    log.warn(`whether ${host} is up is not known: ${String(error)}`)
    return true
  }
}
