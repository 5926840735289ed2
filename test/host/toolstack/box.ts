import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Logger } from '../../../lib/os/log.ts'
import { Paths } from '../../../lib/os/paths.ts'
import { makeSystem } from '../../../lib/os/system.ts'
import { startToolstack, type Toolstack, type ToolstackOptions } from '../../../lib/toolstack/toolstack.ts'
import { mixedDrivers } from '../../support/mixedDrivers.ts'
import { unmountBelow } from '../../support/unmountBelow.ts'
import type { WritableDiskImage } from '../../../lib/vhd/DiskImage.ts'
import { openImage } from '../../../lib/vhd/openImage.ts'
import { XapiError, type Ref, type XapiCaller, type XapiValue } from '../../../lib/xapi/XapiClient.ts'

const fixtures = fileURLToPath(new URL('../../fixtures/plugins', import.meta.url))

export interface PluginRun {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly stdin: string
}

/** A toolstack in a folder of its own with the fixture drivers, and shorthands for what tests do with it. */
export class Box {
  readonly root: string
  readonly log: string[] = []
  toolstack: Toolstack
  api: XapiCaller

  private constructor(root: string, toolstack: Toolstack) {
    this.root = root
    this.toolstack = toolstack
    this.api = toolstack.session()
  }

  static async open(options: Partial<ToolstackOptions> = {}): Promise<Box> {
    const root = await mkdtemp(path.join(tmpdir(), 'toolstack-'))
    const lines: string[] = []
    const box = new Box(root, await start(root, lines, options))
    Object.assign(box, { log: lines })
    return box
  }

  async restart(options: Partial<ToolstackOptions> = {}): Promise<void> {
    await this.toolstack.close()
    this.toolstack = await start(this.root, this.log, options)
    this.api = this.toolstack.session()
  }

  async close(): Promise<void> {
    await this.toolstack.close()
    unmountBelow(this.root)
    await rm(this.root, { recursive: true })
  }

  text(method: string, ...args: XapiValue[]): Promise<string> {
    return this.api.call(method, ...args) as Promise<string>
  }

  record(className: string, ref: Ref): Promise<Record<string, unknown>> {
    return this.api.call(`${className}.get_record`, ref) as Promise<Record<string, unknown>>
  }

  /** A plugged SR of the fixture driver. */
  async makeSr(type = 'fake', more: Record<string, string> = {}): Promise<Ref> {
    const [host = ''] = (await this.api.call('host.get_all')) as Ref[]
    const config = { dir: this.root, ...more }
    return this.text('SR.create', host, config, '0', 'an SR', '', type, 'user', false, {})
  }

  /** Restarts with our FileSR beside the fixture drivers, and makes an SR of it. */
  async addFileSr(options: Partial<ToolstackOptions> = {}): Promise<Ref> {
    const smDir = await mixedDrivers(path.join(this.root, 'sm'), ['FileSR'])
    await this.restart({ smDir, ...options })
    const [host = ''] = (await this.api.call('host.get_all')) as Ref[]
    const location = path.join(this.root, 'files')
    return this.text('SR.create', host, { location }, '0', 'files', '', 'file', 'user', false, {})
  }

  /** Opens a disk of FileSR, which is a VHD below the mount point. */
  async openImage(sr: Ref, vdi: Ref): Promise<WritableDiskImage> {
    const directory = new Paths(this.root).srMount(await this.text('SR.get_uuid', sr))
    const file = path.join(directory, `${await this.text('VDI.get_uuid', vdi)}.vhd`)
    return openImage(makeSystem().files, file, { boundary: directory, write: true })
  }

  makeVdi(sr: Ref, more: Record<string, XapiValue> = {}): Promise<Ref> {
    return this.text('VDI.create', { SR: sr, name_label: 'a disk', virtual_size: '4194304', type: 'user', ...more })
  }

  makeVm(name = 'a VM', more: Record<string, XapiValue> = {}): Promise<Ref> {
    return this.text('VM.create', { name_label: name, ...more })
  }

  /** A drive with a disk, or an empty one. */
  addDrive(vm: Ref, vdi: Ref | undefined, more: Record<string, XapiValue> = {}): Promise<Ref> {
    return this.text('VBD.create', { VM: vm, VDI: vdi ?? '', empty: vdi === undefined, ...more })
  }

  /** The disks of a VM by the number of their drive. */
  async disksOf(vm: Ref): Promise<Record<string, Ref>> {
    const drives = await this.#drivesOf(vm)
    return Object.fromEntries(drives.map(({ userdevice = '', VDI = '' }): [string, Ref] => [userdevice, VDI]))
  }

  async #drivesOf(vm: Ref): Promise<Record<string, string>[]> {
    const refs = (await this.record('VM', vm))['VBDs'] as Ref[]
    return Promise.all(refs.map(ref => this.record('VBD', ref) as Promise<Record<string, string>>))
  }

  /** Where the fixture driver keeps a disk. */
  async fileOf(vdi: Ref): Promise<string> {
    return path.join(this.root, `${await this.text('VDI.get_uuid', vdi)}.raw`)
  }

  /** Writes a text of at most 16 letters to the start of a disk. */
  async write(vdi: Ref, text: string): Promise<void> {
    const file = await open(await this.fileOf(vdi), 'r+')
    await file.write(Buffer.from(text.padEnd(16, '\0')), 0, 16, 0)
    await file.close()
  }

  /** The text at the start of a disk. */
  async read(vdi: Ref): Promise<string> {
    const content = await readFile(await this.fileOf(vdi))
    return content.subarray(0, 16).toString('latin1').replace(/\0+$/, '')
  }

  /** How the driver's commands fail from now on. */
  async behave(behaviour: Record<string, object>): Promise<void> {
    await writeFile(path.join(this.root, 'behaviour.json'), JSON.stringify(behaviour))
  }

  /** What the drivers were run with, oldest first. */
  async runs(command: string): Promise<PluginRun[]> {
    const text = await readFile(path.join(this.root, 'calls.jsonl'), 'utf8')
    const runs = text
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as PluginRun)
    return runs.filter(({ argv }) => argv[0]?.includes(`<methodName>${command}</methodName>`))
  }
}

/** The failure of a call, as `[code, ...params]`. */
export async function failureOf(call: Promise<unknown>): Promise<string[]> {
  try {
    await call
  } catch (error) {
    if (error instanceof XapiError) return [error.code, ...error.params]
    throw error
  }
  throw new Error('the call did not fail')
}

async function start(root: string, lines: string[], options: Partial<ToolstackOptions>): Promise<Toolstack> {
  return startToolstack({
    system: makeSystem(),
    paths: new Paths(root),
    smDir: path.join(fixtures, 'sm'),
    hostPluginDir: path.join(fixtures, 'host'),
    log: collectingLogger(lines),
    ...options,
  })
}

function collectingLogger(lines: string[]): Logger {
  const log = (text: string) => {
    lines.push(text)
  }
  return { debug: log, info: log, warn: log, error: log, flush: () => Promise.resolve() }
}
