import { SmError } from '../../lib/smapi/SmError.ts'
import { XapiError, type Ref, type StringMap } from '../../lib/xapi/XapiClient.ts'
import type { Context } from '../Context.ts'
import { forgottenHosts, hostActivity } from '../hosts.ts'

const ACTIVATING = 'activating'
const HOST_PREFIX = 'host_'

export type Mode = 'RO' | 'RW'

export interface TaggedVdi {
  readonly ref: Ref
  readonly uuid: string
  readonly srRef: Ref
}

/** The key that says that this host has a VDI open. */
export function ownHostKey({ request }: Context): string {
  return `${HOST_PREFIX}${request.hostRef ?? ''}`
}

/** A collector or a snapshot is changing the disk; nobody may open it now. */
export function isHeldBack(smConfig: StringMap): boolean {
  return 'paused' in smConfig || 'relinking' in smConfig
}

/**
 * Says in the record that this host is opening a VDI, so that whoever pauses it from now on tells this host
 * (spec datapath 4.1, 1 a-e). False where somebody is changing it: nothing is left in the record then, and it is worth
 * trying again.
 * @throws SmError VDIUnavailable where another host has it open or is opening it
 */
export async function tagActivation(context: Context, vdi: TaggedVdi, mode: Mode): Promise<boolean> {
  const { xapi } = context
  const before = await xapi.vdiGetSmConfig(vdi.ref)
  if (isHeldBack(before)) return false
  if (ACTIVATING in before) {
    // Under the lock of the VDI, an activation of this host is one that died.
    if (!(ownHostKey(context) in before)) return awaitActivation(vdi, mode)
    await xapi.vdiRemoveFromSmConfig(vdi.ref, ACTIVATING)
  }
  // Not before: a host in the middle of its activation does not serve the disk yet, and its key must stay.
  await refuseOpenElsewhere(context, { ...vdi, smConfig: before }, mode)
  try {
    await xapi.vdiAddToSmConfig(vdi.ref, ACTIVATING, 'True')
  } catch (error) {
    if (!(error instanceof XapiError) || error.code !== 'MAP_DUPLICATE_KEY') throw error
    return awaitActivation(vdi, mode)
  }
  try {
    await xapi.vdiAddToSmConfig(vdi.ref, ownHostKey(context), mode)
    // Whoever paused it before the key was there does not know of this host: one of both always sees the other.
    if (!isHeldBack(await xapi.vdiGetSmConfig(vdi.ref))) return true
    await untag(context, vdi)
  } catch (error) {
    await xapi.vdiRemoveFromSmConfig(vdi.ref, ACTIVATING)
    throw error
  }
  await xapi.vdiRemoveFromSmConfig(vdi.ref, ACTIVATING)
  return false
}

/** Readers wait for another host's activation; it would not let a writer in. @throws SmError VDIUnavailable */
function awaitActivation(vdi: TaggedVdi, mode: Mode): false {
  if (mode === 'RO') return false
  throw new SmError('VDIUnavailable', `VDI ${vdi.uuid} is being activated elsewhere`)
}

/** The activation is over, whether it worked or not. */
export async function endTagging({ xapi }: Context, vdi: TaggedVdi): Promise<void> {
  await xapi.vdiRemoveFromSmConfig(vdi.ref, ACTIVATING)
}

/** This host no longer has the VDI open. */
export async function untag(context: Context, vdi: TaggedVdi): Promise<void> {
  await context.xapi.vdiRemoveFromSmConfig(vdi.ref, ownHostKey(context))
}

/** Keys of hosts that turn out not to have it open are removed (spec datapath 5). */
async function refuseOpenElsewhere(
  context: Context,
  vdi: TaggedVdi & { readonly smConfig: StringMap },
  mode: Mode,
): Promise<void> {
  const others = Object.entries(vdi.smConfig).filter(([key]) => key.startsWith(HOST_PREFIX))
  const own = ownHostKey(context)
  const conflicts = others.filter(([key, value]) => value === 'RW' || mode === 'RW' || key === own)
  if (conflicts.length === 0) return
  const { activeOn, staleKeys } = await hostActivity(context, { ...vdi, smConfig: Object.fromEntries(conflicts) })
  const forgotten = await forgottenHosts(context, activeOn)
  if (forgotten.size < activeOn.length) throw new SmError('VDIUnavailable', `VDI ${vdi.uuid} not detached cleanly`)
  for (const key of [...staleKeys, ...[...forgotten].map(host => `${HOST_PREFIX}${host}`)])
    await context.xapi.vdiRemoveFromSmConfig(vdi.ref, key)
}
