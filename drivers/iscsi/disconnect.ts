import { iscsiAdapters } from '../../lib/iscsi/adapters.ts'
import { Iscsiadm } from '../../lib/iscsi/Iscsiadm.ts'
import { bootTargets } from '../../lib/iscsi/records.ts'
import { hasSession, logout } from '../../lib/iscsi/sessions.ts'
import { SessionUsers } from '../../lib/iscsi/SessionUsers.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import type { Context } from '../Context.ts'

const LOCK_NAMESPACE = 'iscsi-targets'

/**
 * Ends an SR's use of a target, and with its last user this host's connection to it, unless the host was booted from there.
 * Nothing happens where there is no use and no connection (spec iscsi-hba 8).
 * @throws SmError ISCSIQueryDaemon (86) where the session stays, LVMRefCount (104)
 */
export async function disconnect(context: Context, iqn: string, user: string): Promise<void> {
  await usingTarget(context, iqn, async () => {
    if ((await new SessionUsers(context, iqn).remove(user)) > 0) return
    if ((await bootTargets(context.system.files)).has(iqn) || !(await hasSession(context, iqn))) return
    try {
      await logout(new Iscsiadm(context), iqn)
    } catch (error) {
      throw new SmError('ISCSIQueryDaemon', error instanceof Error ? error.message : String(error), { cause: error })
    }
    if ((await iscsiAdapters(context, iqn)).length > 0)
      throw new SmError('ISCSIQueryDaemon', `the session of ${iqn} stays`)
  })
}

/** Runs `body` while nobody else connects this host to the target, or disconnects it: SRs share its sessions. */
export async function usingTarget(context: Context, iqn: string, body: () => Promise<void>): Promise<void> {
  const lock = await context.locks.lock(LOCK_NAMESPACE, iqn)
  try {
    await body()
  } finally {
    await lock.release()
  }
}
