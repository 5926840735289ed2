import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../os/log.ts'
import type { Paths } from '../os/paths.ts'
import type { System } from '../os/system.ts'

/** Where the kernel and udev show devices. */
export interface ScsiRoots {
  readonly sys: string
  readonly dev: string
  readonly proc: string
}

/** What everything about SCSI disks works with; a driver's `Context` is one. */
export interface ScsiDeps {
  readonly system: System
  readonly paths: Paths
  readonly log: Logger
  /** A tree of files in place of this host's own. */
  readonly roots?: ScsiRoots
  /** Milliseconds between two looks at what is waited for. */
  readonly pollMs?: number
  /** Milliseconds between two tries of what the kernel refused. */
  readonly retryMs?: number
}

const HOST: ScsiRoots = { sys: '/sys', dev: '/dev', proc: '/proc' }
const POLL_MS = 100

export function rootsOf(deps: ScsiDeps): ScsiRoots {
  return deps.roots ?? HOST
}

/** Repeats a question until the answer is yes, or until the time is over: false then. */
export async function within(deps: ScsiDeps, limitMs: number, isSo: () => Promise<boolean>): Promise<boolean> {
  for (const deadline = deps.system.now() + limitMs; ;) {
    if (await isSo()) return true
    if (deps.system.now() >= deadline) return false
    await sleep(deps.pollMs ?? POLL_MS)
  }
}
