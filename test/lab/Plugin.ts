import { decodeMethodResponse, type XmlInput } from '../../lib/smapi/xmlrpc.ts'
import type { BenchOptions, PluginRun } from './agent/PluginBench.ts'
import type { Guest } from './Guest.ts'

type Ask = (method: string, ...args: unknown[]) => Promise<unknown>
type Config = Readonly<Record<string, string>>

/** A plugin in a guest, called as xapi calls it, and the database that it works with. */
export class Plugin {
  readonly #ask: Ask
  readonly mountPoint: string
  /** `SM_ROOT` of the plugin. */
  readonly root: string

  private constructor(ask: Ask, { mountPoint = '', root = '' }: Readonly<Record<string, string>>) {
    this.#ask = ask
    this.mountPoint = mountPoint
    this.root = root
  }

  static async start(guest: Guest, options: BenchOptions): Promise<Plugin> {
    const { ask, facts } = await guest.make('PluginBench', options)
    return new Plugin(ask, facts)
  }

  /** Runs a command that must work and returns its result. */
  async ok(command: string, deviceConfig: Config, members?: Record<string, XmlInput>): Promise<unknown> {
    const { stdout } = await this.run(command, deviceConfig, members)
    const answer = decodeMethodResponse(stdout)
    if ('fault' in answer) throw new Error(`${command}: ${answer.fault.code} ${answer.fault.message}`)
    return answer.value
  }

  create(deviceConfig: Config): Promise<unknown> {
    return this.ok('sr_create', deviceConfig)
  }

  async probe(deviceConfig: Config): Promise<string> {
    return String(await this.ok('sr_probe', deviceConfig))
  }

  /** Runs a command that must fail; also what it wrote to stderr, where it is a process. */
  async fault(
    command: string,
    deviceConfig: Config,
    members?: Record<string, XmlInput>,
    fist?: string,
  ): Promise<{ code: number; message: string; stderr: string }> {
    const { stdout, stderr } = await this.run(command, deviceConfig, members, fist)
    const answer = decodeMethodResponse(stdout)
    if ('fault' in answer) return { ...answer.fault, stderr }
    throw new Error(`${command} was expected to fail`)
  }

  /** `members`: of the request, beyond the usual; `fist`: the plugin's `SM_FIST`. */
  async run(
    command: string,
    deviceConfig: Config,
    members: Record<string, XmlInput> = command === 'sr_create' ? { args: ['0'] } : {},
    fist = '',
  ): Promise<PluginRun> {
    return (await this.#ask('run', command, deviceConfig, members, fist)) as PluginRun
  }

  /** Runs the plugin with a whole document, which must work; returns its result. */
  async runDocument(document: string): Promise<unknown> {
    const answer = decodeMethodResponse(((await this.#ask('runDocument', document)) as PluginRun).stdout)
    if ('fault' in answer) throw new Error(`${answer.fault.code} ${answer.fault.message}`)
    return answer.value
  }

  /** Runs a command, whatever comes of it: its outside effects, in order. */
  async trace(command: string, deviceConfig: Config): Promise<string[]> {
    return (await this.#ask('trace', command, deviceConfig)) as string[]
  }

  call(method: string, ...args: unknown[]): Promise<unknown> {
    return this.#ask('call', method, ...args)
  }

  async smConfig(): Promise<Config> {
    return (await this.#ask('smConfig')) as Config
  }

  /** The record of the host's connection to the SR. */
  async pbd(): Promise<{ device_config: Config; other_config: Config }> {
    return (await this.#ask('pbd')) as { device_config: Config; other_config: Config }
  }

  /** Another SR of this host, in the database. */
  async otherSr(deviceConfig: Config, smConfig: Config = {}): Promise<void> {
    await this.#ask('otherSr', deviceConfig, smConfig)
  }

  async addToInventory(name: string, value: string): Promise<void> {
    await this.#ask('addToInventory', name, value)
  }

  async close(): Promise<void> {
    await this.#ask('close')
  }
}
