import { isServiceActive } from '../os/service.ts'
import type { ScsiDeps } from '../scsi/deps.ts'
import { SmError } from '../smapi/SmError.ts'
import { iscsiAdapters } from './adapters.ts'
import { IscsiadmError, type Iscsiadm } from './Iscsiadm.ts'
import { isSamePortal, parseTargetPortals, portalText, type Portal, type TargetPortal } from './names.ts'
import { readSettings, setCredentials, setReplacementTimeout, type Credentials } from './settings.ts'

/** The daemon that keeps sessions alive. */
export const ISCSID = 'iscsid'

/** `iscsiadm`: a session to this portal is there already. */
const SESSION_EXISTS = 15

/** The sessions of this host over TCP, as iscsiadm lists them; none where it lists nothing (spec iscsi-hba 4). */
export async function allSessions(iscsiadm: Iscsiadm): Promise<TargetPortal[]> {
  const text = await iscsiadm.lookOr('', '-m', 'session')
  const lines = text.split('\n').flatMap(line => /^tcp: \[\d+\] (\S+ \S+)/.exec(line)?.[1] ?? [])
  return parseTargetPortals(lines.join('\n'))
}

/**
 * Whether this host has a session of a target, through one portal where that is given. Sessions of the kernel that no daemon
 * looks after are none.
 */
export async function hasSession(deps: ScsiDeps, iqn: string, portal?: Portal): Promise<boolean> {
  if (!(await isServiceActive(deps.system, ISCSID))) return false
  return (await iscsiAdapters(deps, iqn)).some(adapter => portal === undefined || isSamePortal(adapter, portal))
}

/** The portals of a target that this host knows from a discovery. */
export async function knownPortals(iscsiadm: Iscsiadm, iqn: string): Promise<TargetPortal[]> {
  return parseTargetPortals(await iscsiadm.lookOr('', '-m', 'node'), iqn)
}

export interface LoginOptions {
  readonly credentials: Credentials
  readonly multipath: boolean
}

/**
 * Logs in to one portal of a target; nothing happens where a session is there.
 * @throws SmError SMGeneral (202) where the credentials cannot be set, ISCSILogin (68) where the target refuses
 */
export async function login(
  iscsiadm: Iscsiadm,
  { iqn, ...portal }: Portal & { readonly iqn: string },
  { credentials, multipath }: LoginOptions,
): Promise<void> {
  const node = { portal: portalText(portal), iqn }
  const settings = await readSettings(iscsiadm, node)
  await setCredentials(iscsiadm, node, credentials, settings)
  await setReplacementTimeout(iscsiadm, iqn, settings, multipath)
  try {
    await iscsiadm.change('-m', 'node', '-p', node.portal, '-T', iqn, '-l')
  } catch (error) {
    if (!(error instanceof IscsiadmError) || error.exitCode !== SESSION_EXISTS) throw failed('ISCSILogin', error)
  }
}

/** Ends all sessions of a target, or the one to a portal. @throws SmError ISCSILogout (69) */
export async function logout(iscsiadm: Iscsiadm, iqn: string, portal?: Portal): Promise<void> {
  const where = portal === undefined ? [] : ['-p', portalText(portal)]
  try {
    await iscsiadm.change('-m', 'node', ...where, '-T', iqn, '-u')
  } catch (error) {
    throw failed('ISCSILogout', error)
  }
}

/** Forgets what is recorded of a target. @throws SmError ISCSIDelete (182) */
export async function forgetTarget(iscsiadm: Iscsiadm, iqn: string): Promise<void> {
  try {
    await iscsiadm.change('-m', 'node', '-o', 'delete', '-T', iqn)
  } catch (error) {
    throw failed('ISCSIDelete', error)
  }
}

function failed(name: string, error: unknown): unknown {
  return error instanceof IscsiadmError ? new SmError(name, error.message, { cause: error }) : error
}
