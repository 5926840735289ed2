import type { Ref } from '../../lib/xapi/XapiClient.ts'
import type { Context } from '../Context.ts'

/** Tells how many of the paths of a disk work, in the record of this host's connection to the SR. Never fails the caller. */
export async function countPaths(context: Context, srRef: Ref, scsiId: string): Promise<void> {
  try {
    const pbd = await ownPbd(context, srRef)
    if (pbd === undefined) return
    const { recordPaths } = await import('../../lib/multipath/pathCount.ts')
    await recordPaths(context, pbd, scsiId)
  } catch (error) {
    context.log.warn(`the paths of ${scsiId} are not counted: ${String(error)}`)
  }
}

/** Removes keys from `PBD.other_config`. Never fails the caller; the record may be missing. */
export async function forgetPaths(context: Context, srRef: Ref, keys: readonly string[]): Promise<void> {
  try {
    const pbd = await ownPbd(context, srRef)
    if (pbd === undefined) return
    for (const key of keys) await context.xapi.pbdRemoveFromOtherConfig(pbd, key)
  } catch (error) {
    context.log.warn(`${keys.join(', ')} stay in the PBD of ${srRef}: ${String(error)}`)
  }
}

/** This host's connection to an SR, undefined where it has none (probe). */
export async function ownPbd({ xapi, request }: Context, srRef: Ref): Promise<Ref | undefined> {
  const pbds = await xapi.pbdRecordsWhere(`field "SR" = "${srRef}"`)
  return [...pbds].find(([, pbd]) => pbd.host === request.hostRef)?.[0]
}
