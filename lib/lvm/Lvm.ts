import { setTimeout as sleep } from 'node:timers/promises'
import type { LockManager } from '../lock/Lock.ts'
import type { Logger } from '../os/log.ts'
import type { Paths } from '../os/paths.ts'
import { CommandError, type RunOptions } from '../os/run.ts'
import type { System } from '../os/system.ts'
import { withFairlock } from './fairlock.ts'
import { isLvmError, LvmError } from './LvmError.ts'

/** What everything that runs LVM works with; a driver's `Context` is one. */
export interface LvmDeps {
  readonly system: System
  readonly paths: Paths
  readonly locks: LockManager
  readonly log: Logger
}

export interface LvmOptions {
  /** This host may change LVM metadata (`SRmaster`): LVM is configured by `/etc/lvm/master` where that exists. */
  readonly master?: boolean
  /** The one disk LVM is to look at, where the host's LVM knows `LVM_DEVICE` (spec lvhd 3.1). */
  readonly device?: string
  /**
   * The same for any LVM: names of the one device that it may use of all that it sees, asked before each command, as which
   * one that is changes when a multipath map comes and goes.
   */
  readonly onlyDevice?: () => Promise<readonly string[]>
}

export interface LvmRunOptions {
  /** Fed to standard input: an answer to a question. */
  readonly input?: string
  /** Configured as on the master even where this host is none: a refresh changes no metadata (spec lvhd 5.2). */
  readonly asMaster?: boolean
}

type Argv = readonly [string, ...string[]]

/** Where the platform keeps the configuration that lets LVM write metadata. */
const MASTER_CONFIG = '/etc/lvm/master'
const UDEV = '/run/udev/control'
/** Without udev LVM must make the device nodes itself and not wait for it. */
const WITHOUT_UDEV = 'activation{udev_sync=0 udev_rules=0}'

const CHECKSUM_RETRIES = 10
const CHECKSUM_WAIT_MS = 1000
const SLOW_MS = 15_000

/**
 * The one place that runs LVM and dmsetup (spec lvhd 5.1): C locale, the master's configuration, with or without udev,
 * one process at a time on the whole host where the host has such a lock. Failures are `LvmError`.
 */
export class Lvm {
  readonly deps: LvmDeps
  readonly isMaster: boolean
  readonly #options: LvmOptions
  #settings: Promise<{ hasMasterConfig: boolean; hasUdev: boolean }> | undefined

  constructor(deps: LvmDeps, options: LvmOptions = {}) {
    this.deps = deps
    this.isMaster = options.master === true
    this.#options = options
  }

  /**
   * Runs a command that changes something; returns its standard output. Tried again for a second each where LVM says
   * that it read metadata while they were being written (spec lvhd 5.4).
   */
  async change(argv: Argv, options: LvmRunOptions = {}): Promise<string> {
    this.deps.log.info(argv.join(' '))
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#run(argv, options, true)
      } catch (error) {
        if (attempt === CHECKSUM_RETRIES || !isLvmError(error, 'checksum')) throw error
        await sleep(CHECKSUM_WAIT_MS)
      }
    }
  }

  /** Runs a command that only looks; returns its standard output. It is no effect. */
  async look(argv: Argv): Promise<string> {
    return this.#run(argv, {}, false)
  }

  async #run(argv: Argv, { input, asMaster }: LvmRunOptions, changes: boolean): Promise<string> {
    const { hasMasterConfig } = await this.#host()
    const { device } = this.#options
    const env = {
      ...(hasMasterConfig && (this.isMaster || asMaster === true) ? { LVM_SYSTEM_DIR: MASTER_CONFIG } : {}),
      ...(device === undefined ? {} : { LVM_DEVICE: device }),
    }
    const options: RunOptions = { env, changes, ...(input === undefined ? {} : { input }) }
    // After the subcommand of `lvm`, and anywhere in the other commands. dmsetup has no such settings.
    const full: Argv = argv[0] === 'dmsetup' ? argv : [...argv, ...(await this.#configuration())]
    return withFairlock(this.deps, async () => {
      const started = this.deps.system.now()
      try {
        return (await this.deps.system.run(full, options)).stdout
      } catch (error) {
        throw error instanceof CommandError ? new LvmError(error) : error
      } finally {
        const took = this.deps.system.now() - started
        if (took > SLOW_MS) this.deps.log.warn(`${argv.join(' ')} took ${Math.round(took / 1000)} s`)
      }
    })
  }

  async #configuration(): Promise<readonly string[]> {
    const { hasUdev } = await this.#host()
    const { onlyDevice } = this.#options
    const parts = hasUdev ? [] : [WITHOUT_UDEV]
    if (onlyDevice !== undefined) parts.push(deviceFilter(await onlyDevice()))
    return parts.length === 0 ? [] : ['--config', parts.join(' ')]
  }

  #host(): Promise<{ hasMasterConfig: boolean; hasUdev: boolean }> {
    this.#settings ??= this.#findHost()
    return this.#settings
  }

  async #findHost(): Promise<{ hasMasterConfig: boolean; hasUdev: boolean }> {
    const { files } = this.deps.system
    return { hasMasterConfig: await files.exists(MASTER_CONFIG), hasUdev: await files.exists(UDEV) }
  }
}

/**
 * LVM's own filter, which accepts a device if it accepts any of its names. The names are looked for in `/dev`, as udev does
 * not know all of them, and LVM's file of devices would go before the filter.
 */
function deviceFilter(names: readonly string[]): string {
  const accepted = names.map(name => `"a|^${name.replaceAll(/[.+]/g, '[$&]')}$|"`)
  return `devices{use_devicesfile=0 obtain_device_list_from_udev=0 filter=[${[...accepted, '"r|.*|"'].join(',')}]}`
}
