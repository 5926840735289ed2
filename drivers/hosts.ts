import { XapiError, type Ref, type StringMap } from '../lib/xapi/XapiClient.ts'
import type { Context } from './Context.ts'
import { isServedHere } from './datapath/isServedHere.ts'
import { hostsOf } from './pause.ts'

/** Which hosts have a disk open, by its `host_<ref>` keys. */
export interface HostActivity {
  /** Hosts that have it open or cannot be asked. */
  readonly activeOn: readonly Ref[]
  /** Those of them that say so. */
  readonly openOn: readonly Ref[]
  /** Keys of hosts that say they do not have it open. */
  readonly staleKeys: readonly string[]
}

/** Asks every host that seems to have a disk open; only a clear "no" proves a key stale (spec file-sr 22.2 P8). */
export async function hostActivity(
  { xapi, log }: Context,
  vdi: { readonly uuid: string; readonly srRef: Ref; readonly smConfig: StringMap },
): Promise<HostActivity> {
  const activeOn: Ref[] = []
  const openOn: Ref[] = []
  const staleKeys: string[] = []
  for (const host of hostsOf(vdi.smConfig)) {
    try {
      const open = await xapi.hostCallPlugin(host, 'on-slave', 'is_open', { vdiUuid: vdi.uuid, srRef: vdi.srRef })
      if (open === 'False') staleKeys.push(`host_${host}`)
      else activeOn.push(host)
      if (open === 'True') openOn.push(host)
    } catch (error) {
      log.warn(`${host} does not say whether VDI ${vdi.uuid} is open there: ${String(error)}`)
      activeOn.push(host)
    }
  }
  return { activeOn, openOn, staleKeys }
}

/**
 * As `hostActivity`, and whatever the record says, this host counts where it serves the disk: its key may be lost, or never
 * have been there, as for a disk that is attached while xapi is not.
 */
export async function diskActivity(
  context: Context,
  vdi: { readonly uuid: string; readonly srRef: Ref; readonly smConfig: StringMap },
): Promise<HostActivity> {
  const activity = await hostActivity(context, vdi)
  const here = context.request.hostRef ?? 'this host'
  if (activity.openOn.includes(here) || !(await isServedHere(context, vdi.uuid))) return activity
  return {
    activeOn: [...new Set([...activity.activeOn, here])],
    openOn: [...activity.openOn, here],
    staleKeys: activity.staleKeys.filter(key => key !== `host_${here}`),
  }
}

/** Those of the hosts that the pool has forgotten, and with them what they had open (spec datapath 5). */
export async function forgottenHosts({ xapi }: Context, hosts: readonly Ref[]): Promise<ReadonlySet<Ref>> {
  const forgotten = new Set<Ref>()
  for (const host of hosts) {
    try {
      await xapi.hostGetRecord(host)
    } catch (error) {
      if (!(error instanceof XapiError) || error.code !== 'HANDLE_INVALID') throw error
      forgotten.add(host)
    }
  }
  return forgotten
}
