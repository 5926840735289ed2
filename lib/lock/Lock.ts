import { setTimeout as sleep } from 'node:timers/promises'
import type { Effects } from '../os/effects.ts'
import type { Paths } from '../os/paths.ts'
import { SmError } from '../smapi/SmError.ts'
import { lockFile, lockPath, removeLockDirectory, type LockedFile } from './lock-file.ts'

/** One hold on a lock. Releasing it again does nothing. */
export interface Lock {
  release(): Promise<void>
}

export interface LockOptions {
  /** Ends the waiting: `lock` rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** How long to wait, milliseconds; without it, for ever. */
  readonly timeoutMs?: number | undefined
}

/** A lock this manager has, and how often. */
interface Held {
  readonly path: string
  readonly file: LockedFile
  count: number
}

const FIRST_DELAY_MS = 1
const LONGEST_DELAY_MS = 50

/**
 * The locks of this host, in files shared with other storage managers (spec file-sr 2). They exclude other processes
 * and other managers of this process; within one manager they are counted: who has a lock gets it again.
 * A process that dies loses its locks.
 */
export class LockManager {
  readonly #base: string
  readonly #effects: Effects
  readonly #held = new Map<string, Held>()

  constructor(paths: Paths, effects: Effects) {
    this.#base = paths.lockBase
    this.#effects = effects
  }

  /**
   * Waits for the lock and takes it. With an empty namespace the file is directly in the base directory.
   * Throws SmError LockErr (37) when the time is over or the name cannot be one, errno errors of the file system,
   * and the reason of the abort signal.
   */
  async lock(namespace: string, name: string, options: LockOptions = {}): Promise<Lock> {
    const path = lockPath(this.#base, namespace, name)
    const deadline = options.timeoutMs === undefined ? Infinity : performance.now() + options.timeoutMs
    this.#effects.before('lock', `lock ${path}`)
    for (let delay = FIRST_DELAY_MS; ; delay = Math.min(delay * 2, LONGEST_DELAY_MS)) {
      options.signal?.throwIfAborted()
      const lock = await this.#attempt(path)
      if (lock !== undefined) return lock
      const left = deadline - performance.now()
      if (left <= 0) throw new SmError('LockErr', `${path} is still locked after ${String(options.timeoutMs)} ms`)
      await pause(Math.min(left, delay * (0.5 + Math.random())), options.signal)
    }
  }

  /** Takes the lock if nobody else has it. Throws as `lock` does. */
  async tryLock(namespace: string, name: string): Promise<Lock | undefined> {
    const path = lockPath(this.#base, namespace, name)
    this.#effects.before('lock', `trylock ${path}`)
    return this.#attempt(path)
  }

  /** Removes the lock files of an object that is gone, and their directory. Locks held there stay held. */
  async removeNamespace(namespace: string): Promise<void> {
    const directory = lockPath(this.#base, '', namespace)
    this.#effects.before('lock', `remove ${directory}`)
    await removeLockDirectory(directory)
  }

  /** Releases whatever is still held, last taken first. */
  async releaseAll(): Promise<void> {
    for (const held of [...this.#held.values()].reverse()) await this.#unlock(held)
  }

  async #attempt(path: string): Promise<Lock | undefined> {
    const file = this.#held.has(path) ? undefined : await lockFile(path)
    // Another task of this manager may have taken it while the file was being opened; then this one shares it.
    const before = this.#held.get(path)
    if (before !== undefined) {
      await file?.unlock()
      before.count += 1
      return this.#handle(before)
    }
    if (file === undefined) return undefined
    const held = { path, file, count: 1 }
    this.#held.set(path, held)
    return this.#handle(held)
  }

  #handle(held: Held): Lock {
    let released = false
    return {
      release: async () => {
        if (released) return
        released = true
        held.count -= 1
        if (held.count === 0) await this.#unlock(held)
      },
    }
  }

  async #unlock(held: Held): Promise<void> {
    if (this.#held.get(held.path) !== held) return
    this.#effects.before('lock', `unlock ${held.path}`)
    this.#held.delete(held.path)
    await held.file.unlock()
  }
}

async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(milliseconds, undefined, signal === undefined ? {} : { signal })
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}
