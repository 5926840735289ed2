import * as fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { groupName as extGroupName } from '../../drivers/ext/volume.ts'
import { groupName } from '../../lib/lvm/names.ts'
import { Effects } from '../../lib/os/effects.ts'
import { Paths } from '../../lib/os/paths.ts'
import { makeSystem, type System } from '../../lib/os/system.ts'
import { makeRunProgram, type RunProgram } from '../../lib/toolstack/storage/Executor.ts'
import { startToolstack, type Toolstack } from '../../lib/toolstack/toolstack.ts'
import { projectRoot } from '../support/World.ts'
import { connectXapi, type XapiEndpoint } from '../../lib/xapi/XapiEndpoint.ts'
import type { XapiValue } from '../../lib/xapi/XapiClient.ts'

export const HOST_REF = 'OpaqueRef:host-0001'
export const SR_REF = 'OpaqueRef:sr-0006'
const POOL_REF = 'OpaqueRef:pool-0002'
const HOST_IQN = 'iqn.2026-01.org.example:host'
const HOST_UUID = 'bb000000-0000-4000-8000-000000000001'
const CONTROL_DOMAIN_UUID = 'bb000000-0000-4000-8000-0000000000d0'

/** The SR that a recording is about, and what its placeholders stand for here. */
export interface BoxSr {
  readonly uuid: string
  readonly plugin: 'FileSR' | 'EXTSR' | 'NFSSR' | 'LVHDSR' | 'LVHDoISCSISR' | 'LVHDoHBASR'
  readonly type: string
  readonly label?: string
  /** The disk that the host's inventory names as its own. */
  readonly rootDisk?: string
  readonly deviceConfig: Readonly<Record<string, string>>
  readonly places: readonly (readonly [recorded: string, ours: string])[]
  /** How the plugin is run; by default as a process. */
  readonly runProgram?: RunProgram
  /** What the box's own work is done with. */
  readonly system?: System
}

/** What one execution of the plugin said. */
export interface Answer {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Answers every pause and unpause, and notes that it was asked. */
const TAPDISK_PAUSE = `#!/bin/sh
printf '%s\\n' "$1" >> "$(dirname "$0")/../pauses"
printf "<?xml version='1.0'?><methodResponse><params><param><value><string>True</string></value></param></params></methodResponse>"
`

/** Notes that it was asked, and has it done: the server of a volume must not keep the one of before open. */
const TAPDISK_PAUSE_NOTED = `#!/bin/sh
printf '%s\\n' "$1" >> "$(dirname "$0")/../pauses"
exec ${path.join(projectRoot, 'bin/tapdisk-pause')} "$1"
`

/**
 * A host with one SR that nothing is known of yet, by default a file SR: a temporary `SM_ROOT`, the starting database of the recordings
 * behind a toolstack, and the real plugin executable.
 */
export class Box {
  readonly directory: string
  readonly #sr: BoxSr
  readonly system: System
  readonly paths: Paths
  #toolstack: Toolstack | undefined
  #endpoint: XapiEndpoint | undefined
  #session = ''

  private constructor(directory: string, sr: BoxSr) {
    this.directory = directory
    this.#sr = sr
    this.system = sr.system ?? makeSystem(new Effects(''))
    this.paths = new Paths(path.join(directory, 'root'))
  }

  static async open(sr: string | BoxSr): Promise<Box> {
    const directory = await fs.realpath(await fs.mkdtemp(path.join(os.tmpdir(), 'sm-box-')))
    const box = new Box(directory, typeof sr === 'string' ? fileSr(sr, directory) : sr)
    try {
      await box.#start()
      return box
    } catch (error) {
      await box.close()
      throw error
    }
  }

  get srUuid(): string {
    return this.#sr.uuid
  }

  /** Recorded paths and ours. */
  get places(): BoxSr['places'] {
    return [...this.#sr.places, ['', this.paths.root]]
  }

  /** Whether the SR's disks are volumes and no files. */
  get isVolumeGroup(): boolean {
    return this.#sr.plugin.startsWith('LVHD')
  }

  /** The volume group of the SR, undefined where it has none. */
  get group(): string | undefined {
    if (this.#sr.plugin === 'EXTSR') return extGroupName(this.srUuid)
    return this.isVolumeGroup ? groupName(this.srUuid) : undefined
  }

  /** Whether the volumes are on a LUN. */
  get isOnLun(): boolean {
    return this.isVolumeGroup && this.#sr.plugin !== 'LVHDSR'
  }

  /** The SR's files: while it is attached, or of a file SR always. */
  get location(): string {
    return this.#sr.deviceConfig['location'] ?? this.mountPoint
  }

  get mountPoint(): string {
    return this.paths.srMount(this.srUuid)
  }

  /** The session that plugins are given. */
  get session(): string {
    return this.#session
  }

  /** A XenAPI call under the plugins' session. */
  async call(method: string, ...args: XapiValue[]): Promise<unknown> {
    if (this.#endpoint === undefined) throw new Error('the box is not open')
    return this.#endpoint.request(method, [this.#session, ...args])
  }

  /** Executes the plugin as xapi does. */
  async run(request: string, fist?: string): Promise<Answer> {
    const env = {
      PATH: ['/sbin', '/usr/sbin', '/bin', '/usr/bin', path.dirname(process.execPath)].join(':'),
      ORIGINATOR: 'SM',
      SM_ROOT: this.paths.root,
      SM_XAPI_URL: this.#toolstack?.url ?? '',
      SM_LOG: path.join(this.directory, 'sm.log'),
      ...(fist === undefined ? {} : { SM_FIST: fist, VITEST: 'true' }),
    }
    const runProgram = this.#sr.runProgram ?? makeRunProgram(this.system.files, this.system.newUuid, this.directory)
    const outcome = await runProgram(path.join(projectRoot, 'bin', this.#sr.plugin), request, env)
    const { exitCode = null, stdout, stderr } = outcome
    return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() }
  }

  /** The calls of `tapdisk-pause` since the last look, as XML-RPC documents. */
  async takePauses(): Promise<string[]> {
    const file = path.join(this.directory, 'pauses')
    const text = (await this.system.files.exists(file)) ? await this.system.files.readText(file) : ''
    await this.system.files.unlinkIfPresent(file)
    return text.split('\n').filter(line => line !== '')
  }

  /** Whether the SR is attached: mounted, or linked where this process may not mount. */
  async isMounted(): Promise<boolean> {
    if (!(await this.system.files.exists(this.mountPoint))) return false
    if ((await fs.lstat(this.mountPoint)).isSymbolicLink()) return true
    return (await this.#mounts()).includes(this.mountPoint)
  }

  async close(): Promise<void> {
    await this.#endpoint?.close()
    await this.#toolstack?.close()
    for (const mount of (await this.#mounts()).reverse()) await this.system.run(['umount', '-l', mount])
    await fs.rm(this.directory, { recursive: true, force: true })
  }

  async #start(): Promise<void> {
    await fs.mkdir(scratchIn(this.directory))
    await this.#installPlugins()
    await this.#writeDatabase()
    this.#toolstack = await startToolstack({
      system: this.system,
      paths: this.paths,
      smDir: path.join(this.directory, 'sm'),
      hostPluginDir: path.join(this.directory, 'plugins'),
    })
    this.#endpoint = connectXapi(this.#toolstack.url, { effects: this.system.effects, paths: this.paths })
    this.#session = String(await this.#endpoint.request('session.login_with_password', ['root', '', '', 'SM']))
    await this.call('session.set_other_config', this.#session, { _sm_session: SR_REF })
  }

  async #installPlugins(): Promise<void> {
    const [drivers, plugins] = [path.join(this.directory, 'sm'), path.join(this.directory, 'plugins')]
    await fs.mkdir(drivers)
    await fs.mkdir(plugins)
    const { plugin } = this.#sr
    await fs.symlink(path.join(projectRoot, 'bin', plugin), path.join(drivers, plugin))
    const pause = this.isVolumeGroup ? TAPDISK_PAUSE_NOTED : TAPDISK_PAUSE
    await fs.writeFile(path.join(plugins, 'tapdisk-pause'), pause, { mode: 0o755 })
  }

  /** The records that every recording starts from; the toolstack adds the rest of its own. */
  async #writeDatabase(): Promise<void> {
    const objects = {
      host: { [HOST_REF]: { uuid: HOST_UUID, other_config: { multipathing: 'false', iscsi_iqn: HOST_IQN } } },
      VM: {
        'OpaqueRef:vm-0003': { uuid: CONTROL_DOMAIN_UUID, is_control_domain: true, resident_on: HOST_REF },
      },
      pool: { [POOL_REF]: { master: HOST_REF } },
      SR: { [SR_REF]: { uuid: this.srUuid, type: this.#sr.type, name_label: this.#sr.label ?? '' } },
      PBD: {
        'OpaqueRef:pbd-0007': {
          // As the recordings name it.
          uuid: `${this.srUuid.slice(0, -2)}bd`,
          host: HOST_REF,
          SR: SR_REF,
          device_config: this.#sr.deviceConfig,
        },
      },
    }
    const state = path.join(this.paths.toolstackState, 'toolstack')
    await fs.mkdir(state, { recursive: true })
    await fs.writeFile(
      path.join(state, 'state.json'),
      JSON.stringify({ format: 1, generation: 0, plugins: {}, objects }),
    )
    await fs.mkdir(path.dirname(this.paths.inventory), { recursive: true })
    const inventory = {
      INSTALLATION_UUID: HOST_UUID,
      CONTROL_DOMAIN_UUID,
      ...(this.#sr.rootDisk === undefined ? {} : { PRIMARY_DISK: this.#sr.rootDisk }),
    }
    const lines = Object.entries(inventory).map(([name, value]) => `${name}='${value}'\n`)
    await fs.writeFile(this.paths.inventory, lines.join(''))
  }

  async #mounts(): Promise<string[]> {
    const table = await fs.readFile('/proc/self/mountinfo', 'utf8')
    const points = table.split('\n').map(line => line.split(' ')[4] ?? '')
    return points.filter(point => point.startsWith(`${this.directory}/`))
  }
}

/** Stands for the scratch file system of the recordings. */
function scratchIn(directory: string): string {
  return path.join(directory, 'fs')
}

function fileSr(uuid: string, directory: string): BoxSr {
  const scratch = scratchIn(directory)
  const deviceConfig = { location: path.join(scratch, 'sr') }
  return { uuid, plugin: 'FileSR', type: 'file', deviceConfig, places: [['{FS}', scratch]] }
}
