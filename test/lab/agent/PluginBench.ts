import { mkdirSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import path from 'node:path'
import { Paths } from '../../../lib/os/paths.ts'
import { encodeMethodCall, type XmlInput } from '../../../lib/smapi/xmlrpc.ts'
import { startToolstack, type Toolstack } from '../../../lib/toolstack/toolstack.ts'
import { projectRoot } from '../../support/World.ts'
import { agentSystem } from './posixSpawn.ts'
import { runAsProcess, runInAgent } from './runInAgent.ts'

type Config = Readonly<Record<string, string>>

export interface BenchOptions {
  readonly plugin: 'EXTSR' | 'NFSSR' | 'LVHDoHBASR' | 'LVMoHBASR' | 'LVHDoISCSISR' | 'LVMoISCSISR'
  readonly srUuid: string
  readonly smConfig?: Config
  readonly otherConfig?: Config
  /** `other_config` of the host. */
  readonly hostConfig?: Config
  /** `device_config` of the connection of the host to the SR; without it there is none. */
  readonly pbdConfig?: Config
  /** Starts the executable, as xapi does; otherwise the agent itself is the plugin, and nothing is seen of stderr. */
  readonly asProcess?: boolean
}

export interface PluginRun {
  readonly stdout: string
  readonly stderr: string
}

/** One plugin, called as xapi calls it, for an SR that exists in a database and nowhere else until a call makes it. */
export class PluginBench {
  readonly #toolstack: Toolstack
  readonly #paths: Paths
  readonly #options: BenchOptions
  readonly #srRef: string

  private constructor(toolstack: Toolstack, paths: Paths, options: BenchOptions, srRef: string) {
    this.#toolstack = toolstack
    this.#paths = paths
    this.#options = options
    this.#srRef = srRef
  }

  static async start(options: BenchOptions): Promise<PluginBench> {
    const root = await fs.mkdtemp('/tmp/bench-')
    const paths = new Paths(path.join(root, 'sm'))
    mkdirSync(paths.root)
    const toolstack = await startToolstack({
      system: agentSystem(),
      paths,
      smDir: path.join(projectRoot, 'bin'),
      runProgram: runInAgent,
    })
    const type = options.plugin.slice(0, -2).toLowerCase()
    const shared = type !== 'ext'
    const smConfig = { ...options.smConfig }
    const caller = toolstack.session()
    const srRef = String(await caller.call('SR.introduce', options.srUuid, 'bench', '', type, '', shared, smConfig))
    for (const [key, value] of Object.entries(options.otherConfig ?? {})) {
      await caller.call('SR.add_to_other_config', srRef, key, value)
    }
    const bench = new PluginBench(toolstack, paths, options, srRef)
    for (const [key, value] of Object.entries(options.hostConfig ?? {})) {
      await caller.call('host.add_to_other_config', await bench.#host(), key, value)
    }
    if (options.pbdConfig !== undefined) await bench.#connect(srRef, options.pbdConfig)
    return bench
  }

  get root(): string {
    return this.#paths.root
  }

  get mountPoint(): string {
    return this.#paths.srMount(this.#options.srUuid)
  }

  /** Runs a command; `members` are those of the request beyond the usual. */
  async run(
    command: string,
    deviceConfig: Config,
    members: Record<string, XmlInput> = {},
    fist = '',
  ): Promise<PluginRun> {
    const session = String(await this.call('session.login_with_password', 'root', ''))
    await this.call('session.add_to_other_config', session, '_sm_session', this.#srRef)
    const sr = command === 'sr_probe' ? {} : { sr_ref: this.#srRef, sr_uuid: this.#options.srUuid }
    const request = {
      host_ref: await this.#host(),
      command,
      args: [],
      device_config: { SRmaster: 'true', ...deviceConfig },
      session_ref: session,
      ...sr,
      ...members,
    }
    return this.runDocument(encodeMethodCall(command, [request]), fist)
  }

  /** Runs the plugin with a whole document, as who has no session does. */
  async runDocument(document: string, fist = ''): Promise<PluginRun> {
    const program = path.join(projectRoot, 'bin', this.#options.plugin)
    const run = this.#options.asProcess === true ? runAsProcess : runInAgent
    const { stdout, stderr, ...end } = await run(program, document, this.#environment(fist))
    if (end.exitCode !== 0) throw new Error(`${program} ended with ${end.exitCode ?? end.signal}: ${stderr.toString()}`)
    return { stdout: stdout.toString(), stderr: stderr.toString() }
  }

  /** The outside effects of a command, in order, without their numbers. */
  async trace(command: string, deviceConfig: Config): Promise<string[]> {
    const file = path.join(this.#paths.root, 'trace')
    await this.run(command, deviceConfig, { args: ['0'] }, `trace:${file}`)
    const text = await fs.readFile(file, 'utf8')
    await fs.rm(file)
    return text.split('\n').flatMap(line => /^\d+ (.*)$/.exec(line)?.[1] ?? [])
  }

  /** XenAPI, as root. */
  call(method: string, ...args: Parameters<ReturnType<Toolstack['session']>['call']>[1][]): Promise<unknown> {
    return this.#toolstack.session().call(method, ...args)
  }

  smConfig(): Promise<unknown> {
    return this.call('SR.get_sm_config', this.#srRef)
  }

  /** Another SR with a connection to this host. */
  async otherSr(deviceConfig: Config, smConfig: Config): Promise<void> {
    const uuid = crypto.randomUUID()
    const sr = String(await this.call('SR.introduce', uuid, 'other', '', 'ext', '', false, { ...smConfig }))
    await this.#connect(sr, deviceConfig)
  }

  /** The record of the connection of the host to the SR. */
  async pbd(): Promise<unknown> {
    const [pbd = ''] = (await this.call('SR.get_PBDs', this.#srRef)) as string[]
    return this.call('PBD.get_record', pbd)
  }

  async #connect(sr: string, deviceConfig: Config): Promise<void> {
    await this.call('PBD.create', {
      host: await this.#host(),
      SR: sr,
      device_config: { ...deviceConfig },
      other_config: {},
    })
  }

  async #host(): Promise<string> {
    return String(((await this.call('host.get_all')) as string[])[0])
  }

  async addToInventory(name: string, value: string): Promise<void> {
    await fs.appendFile(this.#paths.inventory, `${name}='${value}'\n`)
  }

  async close(): Promise<void> {
    await this.#toolstack.close()
  }

  #environment(fist: string): Record<string, string> {
    return {
      PATH: process.env['PATH'] ?? '',
      ORIGINATOR: 'SM',
      SM_ROOT: this.#paths.root,
      SM_XAPI_URL: this.#toolstack.url,
      SM_LOG: '/tmp/SMlog',
      SM_FIST: fist,
    }
  }
}
