import { XapiError, type Ref } from '../lib/xapi/XapiClient.ts'
import type { Context } from './Context.ts'
import { isServedHere } from './datapath/isServedHere.ts'

/** A VDI by the names that pausing needs. */
export interface PausableVdi {
  readonly ref: Ref
  readonly uuid: string
}

/** sm_config key that keeps every host from activating a VDI. */
const PAUSED = 'paused'
const HOST_KEY = /^host_(.+)$/

/**
 * Stops I/O to a VDI on every host that has it open and keeps all others from opening it (spec file-sr 16).
 * False, with nothing changed, where it is paused already, a host refuses, or this one has it open and the record does not
 * say so. Where it throws, the VDI may be paused.
 */
export async function pauseVdi(context: Context, vdi: PausableVdi): Promise<boolean> {
  const { xapi, log } = context
  try {
    await xapi.vdiAddToSmConfig(vdi.ref, PAUSED, 'true')
  } catch (error) {
    if (!(error instanceof XapiError) || error.code !== 'MAP_DUPLICATE_KEY') throw error
    log.warn(`VDI ${vdi.uuid} is paused by someone else`)
    return false
  }
  const hosts = hostsOf(await xapi.vdiGetSmConfig(vdi.ref))
  if (!hosts.includes(context.request.hostRef ?? '') && (await isServedHere(context, vdi.uuid))) {
    // As a disk that was attached while xapi was not there: nobody would resume it.
    log.error(`VDI ${vdi.uuid} is open on this host, and its record does not say so`)
    await xapi.vdiRemoveFromSmConfig(vdi.ref, PAUSED)
    return false
  }
  const done: Ref[] = []
  for (const host of hosts) {
    if (!(await callTapdisk(context, host, 'pause', vdi))) {
      // Also where it failed: it may have stopped serving before it did.
      for (const paused of [...done, host]) await callTapdisk(context, paused, 'unpause', vdi)
      await xapi.vdiRemoveFromSmConfig(vdi.ref, PAUSED)
      return false
    }
    done.push(host)
  }
  return true
}

/**
 * Resumes a VDI everywhere. False, and it stays paused, where a live host does not resume it; one that is down has
 * nothing to resume. `secondary`: an NBD mirror to attach.
 */
export async function unpauseVdi(context: Context, vdi: PausableVdi, secondary?: string): Promise<boolean> {
  const { xapi, log } = context
  const smConfig = await xapi.vdiGetSmConfig(vdi.ref)
  for (const host of hostsOf(smConfig)) {
    if (await callTapdisk(context, host, 'unpause', { ...vdi, secondary })) continue
    if (await isDown(context, host)) continue
    log.error(`VDI ${vdi.uuid} stays paused: ${host} does not resume it`)
    return false
  }
  if (PAUSED in smConfig) await xapi.vdiRemoveFromSmConfig(vdi.ref, PAUSED)
  return true
}

/** The hosts that have a VDI active, by its `host_<ref>` keys. */
export function hostsOf(smConfig: Readonly<Record<string, string>>): Ref[] {
  return Object.keys(smConfig).flatMap(key => HOST_KEY.exec(key)?.[1] ?? [])
}

/** Makes every host that has a VDI open take up its changed chain. False where one does not (spec file-sr 16). */
export async function refreshVdi(context: Context, vdi: PausableVdi): Promise<boolean> {
  let all = true
  for (const host of hostsOf(await context.xapi.vdiGetSmConfig(vdi.ref))) {
    all = (await callTapdisk(context, host, 'refresh', vdi)) && all
  }
  return all
}

async function isDown({ xapi, log }: Context, host: Ref): Promise<boolean> {
  try {
    const down = !(await xapi.hostIsLive((await xapi.hostGetRecord(host)).metrics))
    if (down) log.warn(`${host} is down: nothing to resume there`)
    return down
  } catch (error) {
    if (error instanceof XapiError && error.code === 'HANDLE_INVALID') return true
    throw error
  }
}

async function callTapdisk(
  context: Context,
  host: Ref,
  action: 'pause' | 'unpause' | 'refresh',
  vdi: PausableVdi & { readonly secondary?: string | undefined },
): Promise<boolean> {
  const args = { sr_uuid: context.request.srUuid, vdi_uuid: vdi.uuid, failfast: 'False' }
  try {
    const all = vdi.secondary === undefined ? args : { ...args, secondary: vdi.secondary }
    return (await context.xapi.hostCallPlugin(host, 'tapdisk-pause', action, all)) === 'True'
  } catch (error) {
    context.log.error(`${action} of VDI ${vdi.uuid} on ${host} failed: ${String(error)}`)
    return false
  }
}
