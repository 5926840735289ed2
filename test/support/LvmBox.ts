import { execFileSync } from 'node:child_process'
import type { BigIntStats, Stats } from 'node:fs'
import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import path from 'node:path'
import { pauseFunctions } from '../../drivers/datapath/pausePlugin.ts'
import { answerWith } from '../../drivers/dispatch.ts'
import { answerHostPlugin, type HostFunction } from '../../drivers/hostPlugin.ts'
import { onSlaveFunctions } from '../../drivers/onSlave.ts'
import { thinFunctions } from '../../drivers/lvhd/thinPlugin.ts'
import { trimFunctions } from '../../drivers/lvhd/trimPlugin.ts'
import { lvhdOverHbaInfo } from '../../drivers/hba/info.ts'
import { LVHDoHBASR } from '../../drivers/LVHDoHBASR.ts'
import { lvhdSrInfo } from '../../drivers/lvhd/info.ts'
import { LVHDSR } from '../../drivers/LVHDSR.ts'
import { answerTo } from '../../drivers/SRCommand.ts'
import { Effects } from '../../lib/os/effects.ts'
import { Files } from '../../lib/os/files.ts'
import { OpenFile } from '../../lib/os/OpenFile.ts'
import type { System } from '../../lib/os/system.ts'
import { makeRunProgram, type RunProgram } from '../../lib/toolstack/storage/Executor.ts'
import { BoxEffects } from './BoxEffects.ts'
import { FakeLvm } from './FakeLvm.ts'
import type { LvmHost } from './LvmWorld.ts'
import { RootedFiles } from './RootedFiles.ts'
import { projectRoot } from './World.ts'

/** A volume of the box is a file that says it is a block device. Its number leads back to it. */
class DeviceFiles extends RootedFiles {
  readonly #effects: Effects
  readonly #devices = new Map<string, string>()

  constructor(effects: Effects, root: string) {
    super(effects, root)
    this.#effects = effects
  }

  override openRead(name: string): Promise<OpenFile> {
    return this.#isDevice(name) ? this.#open(name, 'r') : super.openRead(name)
  }

  override openWrite(name: string): Promise<OpenFile> {
    return this.#isDevice(name) ? this.#open(name, 'r+') : super.openWrite(name)
  }

  override async stat(name: string): Promise<Stats> {
    const stats = await super.stat(name)
    return this.#isDevice(name) ? Object.assign(stats, DEVICE) : stats
  }

  override async identity(name: string): Promise<BigIntStats> {
    const stats = await super.identity(name)
    if (!this.#isDevice(name)) return stats
    const minor = this.#devices.size + 1
    this.#devices.set(String(minor), this.at(name))
    return Object.assign(stats, { ...DEVICE, rdev: (250n << 8n) | BigInt(minor & 0xff) | (BigInt(minor >> 8) << 20n) })
  }

  /** The kernel tells the size of a block device in sysfs. */
  override readText(name: string): Promise<string> {
    const [, minor] = /^\/sys\/dev\/block\/250:(\d+)\/size$/.exec(name) ?? []
    const device = minor === undefined ? undefined : this.#devices.get(minor)
    return device === undefined ? super.readText(name) : Promise.resolve(String(statSync(device).size / 512))
  }

  /** Under the name that the code knows. */
  async #open(name: string, flags: string): Promise<OpenFile> {
    return new OpenFile(await fs.open(this.at(name), flags), this.#effects, name)
  }

  #isDevice(name: string): boolean {
    return name.startsWith('/dev/')
  }
}

const hostPlugins: Readonly<Record<string, Readonly<Record<string, HostFunction>>>> = {
  'on-slave': onSlaveFunctions,
  'tapdisk-pause': pauseFunctions,
  'lvhd-thin': thinFunctions,
  trim: trimFunctions,
}

/** The LUN of a box whose SR is on one. */
export const BOX_LUN = '36001405f00000000000000000000b000'

/** The plugins that this process can be. */
const PLUGINS = new Map([
  ['LVHDSR', { info: lvhdSrInfo, driver: LVHDSR }],
  ['LVMSR', { info: lvhdSrInfo, driver: LVHDSR }],
  ['LVMoHBASR', { info: lvhdOverHbaInfo, driver: LVHDoHBASR }],
])

/** What a host with one path to the LUN answers without the model: the LUN's id, and that no copy of its group is seen. */
function answerOfHost([program, ...words]: readonly string[]): string | undefined {
  if (path.basename(program ?? '') === 'scsi_id') return `${BOX_LUN}\n`
  return program === 'pvs' && words.includes('--all') ? '{"report":[{"pv":[]}]}' : undefined
}

const DEVICE = { isFile: () => false, isBlockDevice: () => true }

/**
 * A host whose LVM is a model (`FakeLvm`), with plugins that run in this process: hundreds of interruptions in the time
 * that the lab takes for a few. What LVM itself does is the lab's to show.
 */
export class LvmBox implements LvmHost {
  readonly fake: FakeLvm
  readonly #runProcess: RunProgram

  constructor(root: string, group: string, extents: number) {
    this.fake = new FakeLvm(root, group, extents)
    const byId = path.join(root, 'dev/disk/by-id')
    mkdirSync(byId, { recursive: true })
    writeFileSync(path.join(byId, `scsi-${BOX_LUN}`), '')
    this.#runProcess = makeRunProgram(new Files(new Effects('')), () => crypto.randomUUID(), root)
  }

  /** `fist` as in `SM_FIST`. */
  system(effects: Effects = new BoxEffects()): System {
    const model = this.fake.systemWith(effects)
    return {
      ...model,
      run: (argv, options) => {
        const stdout = answerOfHost(argv)
        return stdout === undefined ? model.run(argv, options) : Promise.resolve({ exitCode: 0, stdout, stderr: '' })
      },
      files: new DeviceFiles(effects, this.fake.root),
      newUuid: crypto.randomUUID.bind(crypto),
    }
  }

  get runProgram(): RunProgram {
    return async (program, argument, environment) => {
      const isOwn = path.dirname(program) === path.join(projectRoot, 'bin')
      const answerer = isOwn ? this.#answerer(path.basename(program)) : undefined
      if (answerer === undefined) return this.#runProcess(program, argument, environment)
      const effects = new BoxEffects(environment['SM_FIST'])
      const saved = { ...process.env }
      process.env = { ...environment }
      const answering = answerer(argument, this.system(effects))
      process.env = saved
      const answer = await answering
      const [exitCode, signal] = effects.isDead ? [undefined, 'SIGKILL'] : [0, undefined]
      return { exitCode, signal, stdout: Buffer.from(effects.isDead ? '' : answer), stderr: Buffer.alloc(0) }
    }
  }

  /** The plugins that run in this process. */
  #answerer(name: string): ((argument: string, system: System) => Promise<string>) | undefined {
    const functions = hostPlugins[name]
    if (functions !== undefined)
      return (argument, system) => answerHostPlugin(name, functions, { argv: [argument], system })
    const plugin = PLUGINS.get(name)
    if (plugin === undefined) return undefined
    const { info, driver } = plugin
    return (argument, system) => answerTo({ info, answer: request => answerWith(driver, request, system) }, [argument])
  }

  async save(directory: string): Promise<void> {
    execFileSync('cp', ['-a', '--sparse=always', this.fake.root, path.join(directory, 'lvm')])
    const { volumes, free } = this.fake
    await fs.writeFile(path.join(directory, 'lvm.json'), JSON.stringify({ volumes: [...volumes], free }))
  }

  async restore(directory: string): Promise<void> {
    await fs.rm(this.fake.root, { recursive: true })
    execFileSync('cp', ['-a', '--sparse=always', path.join(directory, 'lvm'), this.fake.root])
    const saved = JSON.parse(await fs.readFile(path.join(directory, 'lvm.json'), 'utf8')) as {
      volumes: [string, Parameters<FakeLvm['volumes']['set']>[1]][]
      free: number
    }
    this.fake.volumes.clear()
    for (const [name, volume] of saved.volumes) this.fake.volumes.set(name, volume)
    this.fake.free = saved.free
  }
}
