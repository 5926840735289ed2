import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Effects } from '../../lib/os/effects.ts'
import { Paths } from '../../lib/os/paths.ts'
import { makeSystem, type System } from '../../lib/os/system.ts'
import { decodeMethodResponse, encodeMethodCall, type XmlInput } from '../../lib/smapi/xmlrpc.ts'
import { makeRunProgram, type RunProgram } from '../../lib/toolstack/storage/Executor.ts'
import { startToolstack, type TcpListener, type Toolstack } from '../../lib/toolstack/toolstack.ts'
import { openImage } from '../../lib/vhd/openImage.ts'
import { scanDirectory } from '../../lib/vhd/scan.ts'
import { callOtherHost, type OtherAddress } from './otherHosts.ts'
import { SmXapi, type VdiRecord } from '../../lib/xapi/SmXapi.ts'
import { XapiError, type XapiValue } from '../../lib/xapi/XapiClient.ts'

export const MIB = 1024 * 1024
/** Where package.json is, from the sources as from a bundle. */
export const projectRoot = findProjectRoot(path.dirname(fileURLToPath(import.meta.url)))

function findProjectRoot(directory: string): string {
  return existsSync(path.join(directory, 'package-lock.json')) ? directory : findProjectRoot(path.dirname(directory))
}

export interface Disk {
  readonly ref: string
  readonly uuid: string
}

/** Records by class and reference. */
type Database = Record<string, Record<string, Record<string, unknown>>>

/** What the next master of a pool knows. */
export interface Succession {
  /** What `database` of the world before has returned. */
  readonly database: string
  /** The host that becomes the master. */
  readonly host: string
  /** Where it has its files. */
  readonly root: string
}

/** The plugin of each type. */
const PLUGINS = {
  file: 'FileSR',
  ext: 'EXTSR',
  nfs: 'NFSSR',
  lvhd: 'LVHDSR',
  lvmohba: 'LVMoHBASR',
  lvhdoiscsi: 'LVHDoISCSISR',
} as const
/** Types whose SRs all hosts of a pool have. */
const SHARED: ReadonlySet<string> = new Set(['nfs', 'lvmohba', 'lvhdoiscsi'])

/** Which SR a world has; by default a file SR in a new directory. */
export interface WorldOptions {
  readonly type: keyof typeof PLUGINS
  readonly deviceConfig: Readonly<Record<string, string>>
  readonly smConfig?: Readonly<Record<string, string>>
  /** `other_config` of the host. */
  readonly hostConfig?: Readonly<Record<string, string>>
  /** Where its toolstack also listens, for other hosts. */
  readonly listen?: TcpListener
  /** Directory of the host plugins, from that of the project; by default some that know no open disks. */
  readonly hostPluginDir?: string
  /** The SR that the storage is of, where it is there already: it is attached and not created. */
  readonly srUuid?: string
  /** Its name. */
  readonly srName?: string
  /** The world goes on where another one has ended. */
  readonly succession?: Succession
  /** How plugins are run; by default as processes. */
  readonly runProgram?: RunProgram
}

/** A second host of the pool. */
export interface OtherHostOptions {
  /** Where its host plugins answer. */
  readonly address?: OtherAddress
  readonly otherConfig?: Readonly<Record<string, string>>
}

/**
 * An SR of the file family below a temporary root, served by a toolstack in this process that execs the real plugins. What a test does
 * goes through XenAPI; what it checks it reads from the directory and the records.
 */
export class World {
  readonly root: string
  readonly system: System = makeSystem(new Effects(''))
  readonly paths: Paths
  /** The directory that the `location` of a file SR names. */
  readonly location: string
  protected readonly options: WorldOptions
  readonly #runProgram: RunProgram
  srRef = ''
  srUuid = ''
  /** Given to the plugins from the next `start` on. */
  readonly pluginEnv: Record<string, string> = {}
  readonly #otherHosts = new Map<string, OtherAddress>()
  #toolstack: Toolstack | undefined
  protected template: string | undefined

  protected constructor(root: string, options: Partial<WorldOptions>) {
    this.root = root
    this.paths = new Paths(path.join(root, 'sm'))
    this.location = path.join(root, 'sr')
    this.options = { type: 'file', deviceConfig: { location: this.location }, ...options }
    this.#runProgram = this.options.runProgram ?? makeRunProgram(this.system.files, this.system.newUuid, root)
  }

  /** Makes the SR and attaches it. */
  static async create(options: Partial<WorldOptions> = {}): Promise<World> {
    const world = new World(await World.makeRoot(), options)
    await world.createSr()
    return world
  }

  protected static async makeRoot(): Promise<string> {
    return fs.mkdtemp(path.join(tmpdir(), 'sm-world-'))
  }

  protected async createSr(): Promise<void> {
    await fs.mkdir(this.paths.root)
    await this.start()
    const { type, deviceConfig, smConfig = {}, hostConfig = {} } = this.options
    const shared = SHARED.has(type)
    for (const [key, value] of Object.entries(hostConfig)) {
      await this.call('host.add_to_other_config', await this.host(), key, value)
    }
    const args = [await this.host(), { ...deviceConfig }, 0, 'test', '', type, '', shared, { ...smConfig }]
    this.srRef = String(await this.call('SR.create', ...args))
    this.srUuid = String(await this.call('SR.get_uuid', this.srRef))
  }

  /** Where the SR's files are while it is attached. */
  get directory(): string {
    return this.options.type === 'file' ? this.location : this.paths.srMount(this.srUuid)
  }

  /** (Re)starts the toolstack; `fist` reaches the plugins as `SM_FIST`. */
  async start(fist?: string): Promise<void> {
    await this.#toolstack?.close()
    const log = path.join(this.root, 'sm.log')
    this.#toolstack = await startToolstack({
      system: this.system,
      paths: this.paths,
      smDir: path.join(projectRoot, 'bin'),
      hostPluginDir: path.join(projectRoot, this.options.hostPluginDir ?? 'test/fixtures/host-plugins'),
      ...(this.options.listen === undefined ? {} : { listen: this.options.listen }),
      runProgram: this.#runProgram,
      elsewhere: host => {
        const address = this.#otherHosts.get(host)
        return address === undefined ? undefined : (plugin, document) => callOtherHost(address, plugin, document)
      },
      env: { SM_LOG: log, ...this.pluginEnv, ...(fist === undefined ? {} : { SM_FIST: fist }) },
    })
  }

  /** Ends the toolstack; its database is on disk then, below `paths.toolstackState`. */
  async stop(): Promise<void> {
    await this.#toolstack?.close()
    this.#toolstack = undefined
  }

  async close(): Promise<void> {
    await this.stop()
    this.unmount()
    await fs.rm(this.root, { recursive: true, force: true })
  }

  /** Ends every mount below the root, the most recent first. */
  unmount(): void {
    const mounts = execFileSync('cat', ['/proc/self/mountinfo'], { encoding: 'utf8' })
      .split('\n')
      .map(line => line.split(' ')[4] ?? '')
      .filter(mount => mount.startsWith(`${this.root}/`))
    for (const mount of mounts.reverse()) execFileSync('umount', ['-l', mount])
  }

  get url(): string {
    if (this.#toolstack === undefined) throw new Error('the toolstack is not running')
    return this.#toolstack.url
  }

  async call(method: string, ...args: XapiValue[]): Promise<unknown> {
    if (this.#toolstack === undefined) throw new Error('the toolstack is not running')
    return this.#toolstack.session().call(method, ...args)
  }

  get xapi(): SmXapi {
    return new SmXapi({ call: (method, ...args) => this.call(method, ...args) })
  }

  /** What a call fails with, as XenAPI's code and parameters. */
  async failure(method: string, ...args: XapiValue[]): Promise<readonly string[]> {
    try {
      await this.call(method, ...args)
    } catch (error) {
      if (error instanceof XapiError) return [error.code, ...error.params]
      throw error
    }
    throw new Error(`${method} was expected to fail`)
  }

  async host(): Promise<string> {
    return String(((await this.call('host.get_all')) as string[])[0])
  }

  async pbd(): Promise<string> {
    return String(((await this.call('SR.get_PBDs', this.srRef)) as string[])[0])
  }

  async createVdi(label: string, sizeMib: number, smConfig: Record<string, string> = {}): Promise<Disk> {
    const ref = await this.call('VDI.create', {
      name_label: label,
      name_description: '',
      SR: this.srRef,
      virtual_size: String(sizeMib * MIB),
      type: 'user',
      sharable: false,
      read_only: false,
      other_config: {},
      sm_config: smConfig,
    })
    return this.disk(String(ref))
  }

  async snapshot(vdi: Disk): Promise<Disk> {
    return this.disk(String(await this.call('VDI.snapshot', vdi.ref)))
  }

  async clone(vdi: Disk): Promise<Disk> {
    return this.disk(String(await this.call('VDI.clone', vdi.ref)))
  }

  /** Makes a second host in the pool and returns its reference. Without an address its host plugins do not answer. */
  async addHost({ address, otherConfig = {} }: OtherHostOptions = {}): Promise<string> {
    const [ref, metrics] = [`OpaqueRef:${crypto.randomUUID()}`, `OpaqueRef:${crypto.randomUUID()}`]
    if (address !== undefined) this.#otherHosts.set(ref, address)
    await this.edit(objects => {
      const host = { uuid: crypto.randomUUID(), enabled: true, other_config: { ...otherConfig }, metrics }
      Object.assign(objects['host'] ?? {}, { [ref]: host })
      Object.assign(objects['host_metrics'] ?? {}, { [metrics]: { uuid: crypto.randomUUID(), live: true } })
    })
    return ref
  }

  /** Notes that another host has the SR attached, which it does itself; returns the record of that. */
  async addConnection(host: string): Promise<string> {
    const ref = `OpaqueRef:${crypto.randomUUID()}`
    const pbd = { host, SR: this.srRef, device_config: { ...this.options.deviceConfig }, currently_attached: true }
    await this.edit(objects => {
      Object.assign(objects['PBD'] ?? {}, { [ref]: { uuid: crypto.randomUUID(), ...pbd } })
    })
    return ref
  }

  /** The database, as another host of the pool has it: `takeOver` goes on with it. */
  async database(): Promise<string> {
    await this.stop()
    const text = await fs.readFile(this.#stateFile, 'utf8')
    await this.start()
    return text
  }

  /** Goes on with the database of a master that is gone, on a host that was not the master (pool-emergency-transition-to-master). */
  protected async takeOver({ database, host }: Succession): Promise<void> {
    const state = JSON.parse(database) as { boot: string; objects: Database }
    const { objects } = state
    state.boot = ''
    objects['host'] = { [host]: objects['host']?.[host] ?? {}, ...objects['host'] }
    for (const pool of Object.values(objects['pool'] ?? {})) pool['master'] = host
    for (const pbd of Object.values(objects['PBD'] ?? {})) pbd['currently_attached'] = pbd['host'] === host
    await fs.mkdir(path.dirname(this.#stateFile), { recursive: true })
    await fs.writeFile(this.#stateFile, JSON.stringify(state))
    await this.start()
    this.srRef = String(((await this.call('SR.get_all')) as string[])[0])
    this.srUuid = String(await this.call('SR.get_uuid', this.srRef))
  }

  get #stateFile(): string {
    return path.join(this.paths.toolstackState, 'toolstack', 'state.json')
  }

  /** Makes a disk of its own tree the snapshot of another disk, as a restore from elsewhere does. */
  async declareSnapshot(snapshot: Disk, of: Disk): Promise<Disk> {
    await this.edit(objects => {
      for (const vdi of Object.values(objects['VDI'] ?? {})) {
        if (vdi['uuid'] === snapshot.uuid) Object.assign(vdi, { is_a_snapshot: true, snapshot_of: of.ref })
      }
    })
    return snapshot
  }

  /** The database is one that has never heard of the SR's disks. */
  async loseRecords(): Promise<void> {
    await this.edit(objects => {
      objects['VDI'] = {}
    })
  }

  async revert(snapshot: Disk): Promise<void> {
    await this.call('VDI.revert', snapshot.ref)
  }

  async scan(): Promise<void> {
    await this.call('SR.scan', this.srRef)
  }

  async record(vdi: Disk): Promise<VdiRecord> {
    return this.xapi.vdiGetRecord(vdi.ref)
  }

  records(): Promise<Map<string, VdiRecord>> {
    return this.xapi.vdiRecordsOfSr(this.srRef)
  }

  protected async disk(ref: string): Promise<Disk> {
    return { ref, uuid: String(await this.call('VDI.get_uuid', ref)) }
  }

  vhd(uuid: string): string {
    return path.join(this.directory, `${uuid}.vhd`)
  }

  /** Names in the SR's directory, sorted, without what a file system has of its own. */
  async names(): Promise<string[]> {
    return (await fs.readdir(this.directory)).filter(name => name !== 'lost+found').sort()
  }

  /** The headers of all its images. */
  images(): ReturnType<typeof scanDirectory> {
    return scanDirectory(this.system.files, this.directory)
  }

  /** Lines that plugins have written to `trace:<root>/trace`, since this was last asked. */
  async takeTrace(): Promise<string[]> {
    const file = path.join(this.root, 'trace')
    const text = existsSync(file) ? await fs.readFile(file, 'utf8') : ''
    await fs.rm(file, { force: true })
    return text.split('\n').filter(line => line !== '')
  }

  /** A file of the SR's directory: made or replaced, or with undefined removed. */
  async putFile(name: string, content: string | undefined): Promise<void> {
    const file = path.join(this.directory, name)
    await (content === undefined ? fs.rm(file) : fs.writeFile(file, content))
  }

  /** The members of a plugin call as xapi sends them; `members` as given beside or instead. */
  async request(
    command: string,
    vdi: Disk | undefined,
    members: Record<string, XmlInput> = {},
    moreConfig: Readonly<Record<string, string>> = {},
  ): Promise<Record<string, XmlInput>> {
    return {
      host_ref: await this.host(),
      command,
      args: [],
      device_config: { SRmaster: 'true', ...this.options.deviceConfig, ...moreConfig },
      session_ref: await this.smSession(),
      sr_ref: this.srRef,
      sr_uuid: this.srUuid,
      ...(vdi === undefined ? {} : { vdi_ref: vdi.ref, vdi_uuid: vdi.uuid, vdi_location: vdi.uuid }),
      ...members,
    }
  }

  /** Runs one plugin command as xapi does and returns its answer document; `moreConfig`: keys of device_config. */
  async plugin(
    command: string,
    vdi: Disk | undefined,
    members: Record<string, XmlInput> = {},
    moreConfig: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    return this.execute(encodeMethodCall(command, [await this.request(command, vdi, members, moreConfig)]))
  }

  /** Runs the plugin with this document, as xapi does, and returns its answer document. */
  async execute(argument: string): Promise<string> {
    const environment = { PATH: process.env['PATH'] ?? '', ORIGINATOR: 'SM', ...this.pluginEnv }
    const env = { ...environment, SM_ROOT: this.paths.root, SM_XAPI_URL: this.url, SM_LOG: 'none' }
    const program = path.join(projectRoot, 'bin', PLUGINS[this.options.type])
    const { stdout } = await this.#runProgram(program, argument, env)
    return stdout.toString()
  }

  /** The fault of a plugin command: code and text. */
  async fault(
    command: string,
    vdi: Disk | undefined,
    members: Record<string, XmlInput> = {},
    moreConfig: Readonly<Record<string, string>> = {},
  ): Promise<{ code: number; message: string }> {
    const answer = decodeMethodResponse(await this.plugin(command, vdi, members, moreConfig))
    if ('fault' in answer) return answer.fault
    throw new Error(`${command} was expected to fail`)
  }

  /** A session like the one xapi makes for a plugin run. */
  async smSession(): Promise<string> {
    const session = String(await this.call('session.login_with_password', 'root', ''))
    await this.call('session.add_to_other_config', session, '_sm_session', this.srRef)
    return session
  }

  /** Writes `length` MiB of a repeated byte at `offset` MiB, as a guest would. */
  async write(vdi: Disk, seed: number, offsetMib: number, lengthMib: number): Promise<void> {
    const image = await openImage(this.system.files, this.vhd(vdi.uuid), { boundary: this.directory, write: true })
    await image.write(offsetMib * MIB, Buffer.alloc(lengthMib * MIB, seed))
    await image.close()
  }

  /** SHA-256 of everything a guest sees of a disk, and its size in bytes. */
  async content(uuid: string): Promise<{ sha256: string; size: number }> {
    const image = await openImage(this.system.files, this.vhd(uuid), { boundary: this.directory })
    try {
      const hash = createHash('sha256')
      for (let at = 0; at < image.virtualSize; at += MIB) {
        hash.update(await image.read(at, Math.min(MIB, image.virtualSize - at)))
      }
      return { sha256: hash.digest('hex'), size: image.virtualSize }
    } finally {
      await image.close()
    }
  }

  /** Changes the database behind the toolstack's back: what clients cannot set. */
  protected async edit(change: (objects: Database) => void): Promise<void> {
    await this.#toolstack?.close()
    this.#toolstack = undefined
    const state = JSON.parse(await fs.readFile(this.#stateFile, 'utf8')) as { objects: Database }
    change(state.objects)
    await fs.writeFile(this.#stateFile, JSON.stringify(state))
    await this.start()
  }

  /** Keeps storage and database as they are now, for `restore`. */
  async save(): Promise<void> {
    await this.start()
    this.template = path.join(this.root, 'template')
    await fs.rm(this.template, { recursive: true, force: true })
    await fs.mkdir(this.template)
    await this.saveStorage(this.template)
    await this.stop()
    execFileSync('cp', ['-a', this.paths.toolstackState, path.join(this.template, 'state')])
    await this.start()
  }

  /** Back to what `save` kept, with the toolstack started again. */
  async restore(fist?: string): Promise<void> {
    if (this.template === undefined) throw new Error('nothing was saved')
    await this.stop()
    await this.restoreStorage(this.template)
    await fs.rm(this.paths.toolstackState, { recursive: true })
    execFileSync('cp', ['-a', path.join(this.template, 'state'), this.paths.toolstackState])
    await this.start(fist)
  }

  /** Copies what the SR consists of into a directory. */
  protected saveStorage(directory: string): Promise<void> {
    execFileSync('cp', ['-a', '--sparse=always', `${this.directory}/.`, path.join(directory, 'sr')])
    return Promise.resolve()
  }

  /** Brings back what `saveStorage` copied. */
  protected async restoreStorage(directory: string): Promise<void> {
    for (const name of await fs.readdir(this.directory))
      await fs.rm(path.join(this.directory, name), { recursive: true })
    execFileSync('cp', ['-a', '--sparse=always', `${directory}/sr/.`, this.directory])
  }
}
