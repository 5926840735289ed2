import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { isErrno } from '../os/files.ts'
import { isServiceActive, startService, stopService } from '../os/service.ts'
import type { System } from '../os/system.ts'
import { SmError } from '../smapi/SmError.ts'
import type { Iscsiadm } from './Iscsiadm.ts'
import { bootTargets, recordDatabases } from './records.ts'
import { allSessions, ISCSID } from './sessions.ts'

const INITIATOR_NAME = '/etc/iscsi/initiatorname.iscsi'
const MAX_ALIAS = 30
/** How long the daemon gets to come or go. */
const PATIENCE_MS = 10_000
const POLL_MS = 50

/**
 * Has iscsid run under the name that this host goes by, and says whether it had to be started (spec iscsi-hba 5).
 * @throws SmError ISCSIInitiator (70) where it has sessions under another name, or the name cannot be written; SMGeneral
 * (202) where the daemon cannot be started
 */
export async function ensureDaemon(iscsiadm: Iscsiadm, localIqn: string): Promise<boolean> {
  const { system } = iscsiadm.deps
  const isRunning = await isServiceActive(system, ISCSID)
  if (isRunning) {
    if ((await configuredName(system)) === localIqn) return false
    const ours = await bootTargets(system.files)
    if ((await allSessions(iscsiadm)).some(({ iqn }) => !ours.has(iqn))) {
      throw new SmError('ISCSIInitiator', 'Daemon already running with target(s) attached using different IQN')
    }
  }
  await writeName(system, localIqn)
  await restartDaemon(iscsiadm, isRunning)
  return true
}

/**
 * Starts it afresh: what is recorded of targets is found out anew, but for those that the kernel has sessions of or the host
 * was booted from. The daemon logs in to these again by their records, passwords included, when a connection breaks.
 * @throws SmError SMGeneral (202)
 */
export async function restartDaemon(iscsiadm: Iscsiadm, isRunning: boolean): Promise<void> {
  const { system } = iscsiadm.deps
  try {
    // The kernel's sessions are listed without the daemon, too.
    const used = new Set((await allSessions(iscsiadm)).map(({ iqn }) => iqn))
    for (const iqn of await bootTargets(system.files)) used.add(iqn)
    if (isRunning) {
      await stopService(system, ISCSID)
      await waitUntil(system, false)
    }
    for (const database of await recordDatabases(system.files)) {
      await system.run(['rm', '-rf', ...(await staleRecords(system, database, used)), `${database}/send_targets`])
    }
    await startService(system, ISCSID)
    await waitUntil(system, true)
  } catch (error) {
    throw new SmError('SMGeneral', messageOf(error), { cause: error })
  }
}

async function staleRecords({ files }: System, database: string, used: ReadonlySet<string>): Promise<string[]> {
  const nodes = `${database}/nodes`
  const targets = await files.list(nodes)
  const stale = targets.filter(iqn => !used.has(iqn))
  return stale.length === targets.length ? [nodes] : stale.map(iqn => `${nodes}/${iqn}`)
}

async function waitUntil(system: System, active: boolean): Promise<void> {
  for (let waited = 0; (await isServiceActive(system, ISCSID)) !== active; waited += POLL_MS) {
    if (waited >= PATIENCE_MS) throw new Error(`${ISCSID} does not ${active ? 'start' : 'stop'}`)
    await sleep(POLL_MS)
  }
}

async function configuredName({ files }: System): Promise<string | undefined> {
  try {
    const text = await files.readText(INITIATOR_NAME)
    return /^\s*InitiatorName\s*=\s*(\S+)/m.exec(text)?.[1]
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

async function writeName({ files }: System, localIqn: string): Promise<void> {
  const text = `InitiatorName=${localIqn}\nInitiatorAlias=${hostname().slice(0, MAX_ALIAS)}\n`
  try {
    await files.writeDurably(INITIATOR_NAME, text)
  } catch (error) {
    throw new SmError('ISCSIInitiator', messageOf(error), { cause: error })
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
