import { hostname } from 'node:os'
import { isErrno } from '../os/files.ts'
import { startService, stopService } from '../os/services.ts'
import type { System } from '../os/system.ts'
import { SmError } from '../smapi/SmError.ts'
import type { Iscsiadm } from './Iscsiadm.ts'
import { bootTargets, recordDatabases } from './records.ts'
import { ISCSID, isDaemonRunning } from './service.ts'
import { allSessions } from './sessions.ts'

const INITIATOR_NAME = '/etc/iscsi/initiatorname.iscsi'
const MAX_ALIAS = 30

/**
 * Has iscsid run under the name that this host goes by (spec iscsi-hba 5).
 * @throws SmError ISCSIInitiator (70) where it has sessions under another name, or the name cannot be written; SMGeneral
 * (202) where the daemon cannot be started
 */
export async function ensureDaemon(iscsiadm: Iscsiadm, localIqn: string): Promise<void> {
  const { system } = iscsiadm.deps
  const isRunning = await isDaemonRunning(system)
  if (isRunning) {
    if ((await configuredName(system)) === localIqn) return
    const ours = await bootTargets(system.files)
    if ((await allSessions(iscsiadm)).some(({ iqn }) => !ours.has(iqn))) {
      throw new SmError('ISCSIInitiator', 'Daemon already running with target(s) attached using different IQN')
    }
  }
  await writeName(system, localIqn)
  await restartDaemon(system, isRunning)
}

/** Starts it afresh: what is recorded of targets is found out anew. @throws SmError SMGeneral (202) */
export async function restartDaemon(system: System, isRunning: boolean): Promise<void> {
  try {
    if (isRunning) await stopService(system, ISCSID)
    for (const database of await recordDatabases(system.files)) {
      await system.run(['rm', '-rf', `${database}/nodes`, `${database}/send_targets`])
    }
    await startService(system, ISCSID)
  } catch (error) {
    throw new SmError('SMGeneral', messageOf(error), { cause: error })
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
