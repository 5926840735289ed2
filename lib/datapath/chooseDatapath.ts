import { existsSync } from 'node:fs'
import type { Logger } from '../os/log.ts'
import type { Paths } from '../os/paths.ts'
import type { System } from '../os/system.ts'
import { SmError } from '../smapi/SmError.ts'
import type { Datapath } from './Datapath.ts'
import { isTapdiskSocket } from './tapdisk/TapdiskDatapath.ts'

const TAP_CTL = '/usr/sbin/tap-ctl'

export interface DatapathEnvironment {
  readonly system: System
  readonly paths: Paths
  readonly log: Logger
}

/**
 * What serves disks that become active: tapdisk where the host has it, else a server of our own. `$SM_DATAPATH` chooses:
 * `nbd`, `tapdisk`, or the path of a `tap-ctl`. Throws SmError ConfigParamsMissing for anything else.
 */
export async function chooseDatapath(environment: DatapathEnvironment): Promise<Datapath> {
  const asked = process.env['SM_DATAPATH'] ?? ''
  if (asked === 'nbd' || (asked === '' && !hasTapdisk(environment))) return nbdDatapath(environment)
  if (asked === '' || asked === 'tapdisk') return tapdiskDatapath(environment, TAP_CTL)
  if (asked.startsWith('/')) return tapdiskDatapath(environment, asked)
  throw new SmError('ConfigParamsMissing', `SM_DATAPATH is nbd, tapdisk or the path of a tap-ctl, not ${asked}`)
}

/** What serves a disk that is active: the host may have been set up otherwise since. */
export async function datapathOf(environment: DatapathEnvironment, socket: string): Promise<Datapath> {
  if (!isTapdiskSocket(socket)) return nbdDatapath(environment)
  const asked = process.env['SM_DATAPATH'] ?? ''
  return tapdiskDatapath(environment, asked.startsWith('/') ? asked : TAP_CTL)
}

function hasTapdisk({ paths }: DatapathEnvironment): boolean {
  return paths.isHost && existsSync(TAP_CTL)
}

async function nbdDatapath({ system, paths }: DatapathEnvironment): Promise<Datapath> {
  const { NbdDatapath } = await import('./nbd/NbdDatapath.ts')
  return new NbdDatapath(system, paths)
}

async function tapdiskDatapath({ system, paths, log }: DatapathEnvironment, program: string): Promise<Datapath> {
  const { TapCtl } = await import('./tapdisk/TapCtl.ts')
  const { TapdiskDatapath } = await import('./tapdisk/TapdiskDatapath.ts')
  return new TapdiskDatapath({ system, log, paths, tapCtl: new TapCtl(system, program) })
}
