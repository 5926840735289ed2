import type { LockManager } from '../lock/Lock.ts'
import type { Logger } from '../os/log.ts'
import type { System } from '../os/system.ts'

/** What everything that runs iscsiadm works with; a driver's `Context` is one. */
export interface IscsiDeps {
  readonly system: System
  readonly locks: LockManager
  readonly log: Logger
}

/** A command of iscsiadm failed. The message never has its arguments, among which passwords are (spec iscsi-hba 2). */
export class IscsiadmError extends Error {
  readonly exitCode: number

  constructor(exitCode: number, stdout: string, stderr: string) {
    super(`rc: ${exitCode}, stdout: ${stdout.trim()}, stderr: ${stderr.trim()}`)
    this.name = 'IscsiadmError'
    this.exitCode = exitCode
  }
}

const PROGRAM = 'iscsiadm'
const LOCK = { namespace: 'iscsiadm', name: 'isciadm_running' }
const HIDDEN = '******'

/** The one place that runs iscsiadm: one process of it at a time on this host, and no command line in the log. */
export class Iscsiadm {
  readonly deps: IscsiDeps

  constructor(deps: IscsiDeps) {
    this.deps = deps
  }

  /** Runs a command that changes something and returns its standard output. @throws IscsiadmError */
  change(...args: readonly string[]): Promise<string> {
    return this.#run(args, true)
  }

  /** Runs a command that only looks and returns its standard output. @throws IscsiadmError */
  look(...args: readonly string[]): Promise<string> {
    return this.#run(args, false)
  }

  /** As `look`, where a failure means that there is nothing to see. */
  async lookOr(otherwise: string, ...args: readonly string[]): Promise<string> {
    try {
      return await this.look(...args)
    } catch (error) {
      if (error instanceof IscsiadmError) return otherwise
      throw error
    }
  }

  async #run(args: readonly string[], changes: boolean): Promise<string> {
    const { locks, system } = this.deps
    const lock = await locks.lock(LOCK.namespace, LOCK.name)
    try {
      const options = { anyExitCode: true, shownAs: [PROGRAM, ...withoutValues(args)], changes } as const
      const { exitCode, stdout, stderr } = await system.run([PROGRAM, ...args], options)
      if (exitCode !== 0) throw new IscsiadmError(exitCode, stdout, stderr)
      return stdout
    } finally {
      await lock.release()
    }
  }
}

/** What is set is nobody's business. */
function withoutValues(args: readonly string[]): string[] {
  return args.map((arg, at) => (args[at - 1] === '-v' ? HIDDEN : arg))
}
