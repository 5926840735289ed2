import path from 'node:path'
import type { Lock, LockManager } from '../lib/lock/Lock.ts'
import type { Logger } from '../lib/os/log.ts'
import type { Paths } from '../lib/os/paths.ts'
import type { System } from '../lib/os/system.ts'
import { SmError } from '../lib/smapi/SmError.ts'

/** The garbage collector as drivers see it: a process of its own that works on one SR beside them (spec gc, file-sr 17). */
export interface GarbageCollector {
  /** Asks for a run in the background. Never fails the caller. */
  kick(srUuid: string): Promise<void>
  /** Stops a running collector; false where it could not be stopped. */
  abort(srUuid: string): Promise<boolean>
}

const ABORT_TRIES = 20
const ABORT_WAIT_MS = 3000

/** A host where no collector is installed. */
export const noCollector: GarbageCollector = {
  kick: () => Promise.resolve(),
  abort: () => Promise.resolve(true),
}

/**
 * Stops the collector of an SR and keeps it from starting until the lock is released: nothing rebuilds the trees meanwhile
 * (spec file-sr 21.4). The caller holds the SR lock.
 * @throws SmError SMGeneral where it cannot be stopped
 */
export async function quiesce(
  { locks, gc }: { readonly locks: LockManager; readonly gc: GarbageCollector },
  srUuid: string,
): Promise<Lock> {
  const free = await locks.tryLock(srUuid, 'running')
  if (free !== undefined) return free
  const stopped = (await gc.abort(srUuid)) ? await locks.tryLock(srUuid, 'running') : undefined
  if (stopped === undefined) throw new SmError('SMGeneral', 'the garbage collector of this SR cannot be stopped')
  return stopped
}

/** The collector that runs as the systemd unit `SMGC@<sr uuid>`. */
export class SystemdCollector implements GarbageCollector {
  readonly #system: System
  readonly #paths: Paths
  readonly #locks: LockManager
  readonly #log: Logger

  constructor(deps: { system: System; paths: Paths; locks: LockManager; log: Logger }) {
    this.#system = deps.system
    this.#paths = deps.paths
    this.#locks = deps.locks
    this.#log = deps.log
  }

  async kick(srUuid: string): Promise<void> {
    try {
      await this.#systemctl('--no-block', 'start', srUuid)
    } catch (error) {
      this.#log.warn(`the garbage collector of SR ${srUuid} could not be started: ${String(error)}`)
    }
  }

  async abort(srUuid: string): Promise<boolean> {
    try {
      const active = (await this.#locks.tryLock(srUuid, 'gc_active')) ?? (await this.#waitForEnd(srUuid))
      if (active === undefined) return false
      // Held until the unit is stopped, so that no new run slips in between.
      try {
        await this.#systemctl('stop', srUuid)
      } finally {
        await active.release()
      }
      return true
    } catch (error) {
      this.#log.warn(`the garbage collector of SR ${srUuid} could not be stopped: ${String(error)}`)
      return false
    }
  }

  /** Raises the flag that a running collector watches, and waits for it to go. */
  async #waitForEnd(srUuid: string): Promise<Lock | undefined> {
    const flag = path.join(this.#paths.runtime, 'ipc', srUuid, 'abort')
    await this.#system.files.makeDirectory(path.dirname(flag), { recursive: true })
    await this.#system.files.append(flag, '')
    try {
      for (let attempt = 0; attempt < ABORT_TRIES; attempt += 1) {
        await new Promise(resolve => setTimeout(resolve, ABORT_WAIT_MS))
        const active = await this.#locks.tryLock(srUuid, 'gc_active')
        if (active !== undefined) return active
      }
      return undefined
    } finally {
      await this.#system.files.unlinkIfPresent(flag)
    }
  }

  async #systemctl(...words: string[]): Promise<void> {
    const srUuid = words.pop() ?? ''
    const unit = `SMGC@${srUuid.replaceAll('-', '\\x2d')}`
    await this.#system.run(['/usr/bin/systemctl', '--quiet', ...words, unit])
  }
}
