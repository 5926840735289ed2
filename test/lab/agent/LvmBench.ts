import { createHash } from 'node:crypto'
import { VolumeJournals } from '../../../lib/journal/VolumeJournals.ts'
import { LockManager } from '../../../lib/lock/Lock.ts'
import { deflate, inflate, undoInflate } from '../../../lib/lvhd/inflate.ts'
import { MetadataVolume } from '../../../lib/lvhd/MetadataVolume.ts'
import { scanVhds } from '../../../lib/lvhd/scan.ts'
import { Activator } from '../../../lib/lvm/Activator.ts'
import { createGroup, groupsOn, growPhysicalVolumes, removeGroup } from '../../../lib/lvm/groups.ts'
import { Lvm } from '../../../lib/lvm/Lvm.ts'
import { LvmError } from '../../../lib/lvm/LvmError.ts'
import { clearGroupMappings } from '../../../lib/lvm/mapping.ts'
import { groupName } from '../../../lib/lvm/names.ts'
import { RefCounter } from '../../../lib/lvm/RefCounter.ts'
import { VolumeGroup } from '../../../lib/lvm/VolumeGroup.ts'
import { Files } from '../../../lib/os/files.ts'
import { makeLogger } from '../../../lib/os/log.ts'
import { Paths } from '../../../lib/os/paths.ts'
import { makeRun, type Run } from '../../../lib/os/run.ts'
import { makeSystem } from '../../../lib/os/system.ts'
import { coalesce } from '../../../lib/vhd/coalesce.ts'
import { EmbeddedVhdUtil } from '../../../lib/vhd/EmbeddedVhdUtil.ts'
import { VhdChain } from '../../../lib/vhd/VhdChain.ts'
import { VhdLeafWriter } from '../../../lib/vhd/VhdLeafWriter.ts'
import { Killable } from '../../support/Killable.ts'
import { posixSpawn } from './posixSpawn.ts'

/** What came of a piece of work: its value, or why it failed. */
export interface Outcome {
  readonly value?: unknown
  readonly error?: { readonly message: string; readonly reason?: string; readonly code?: number | string }
}

/** What one call of a driver has of LVM, in a guest; `begin` starts the next call. */
export class LvmBench {
  readonly #srUuid: string
  #call!: ReturnType<LvmBench['start']>
  #effects: string[] = []
  #commands: string[] = []

  constructor({ srUuid }: { srUuid: string }) {
    this.#srUuid = srUuid
    this.begin()
  }

  /** Forgets all that the call before knew. With `killBefore` the process dies before that effect, counted from 1. */
  begin(killBefore = Infinity): void {
    this.#call = this.start(killBefore)
  }

  /** Calls a method of one of the call's objects. */
  async call(target: keyof ReturnType<LvmBench['start']>, method: string, ...args: unknown[]): Promise<Outcome> {
    const object = this.#call[target]
    const member: unknown = Reflect.get(object, method)
    if (typeof member !== 'function') throw new TypeError(`no method ${method}`)
    try {
      return { value: (await Reflect.apply(member, object, args)) as unknown }
    } catch (error) {
      return { error: toRecord(error) }
    }
  }

  /** Effects since the last time, as announced. */
  takeEffects(): string[] {
    return this.#effects.splice(0)
  }

  /** Programs run since the last time. */
  takeCommands(): string[] {
    return this.#commands.splice(0)
  }

  close(): void {
    this.#effects = []
  }

  private start(killBefore: number) {
    const effects = new Killable(killBefore, what => this.#effects.push(what))
    const execute = makeRun(effects, posixSpawn)
    const run: Run = (argv, options) => {
      this.#commands.push(argv[0])
      return execute(argv, options)
    }
    const system = { ...makeSystem(effects), files: new Files(effects), run }
    const paths = new Paths(`/tmp/lvm-bench-${this.#srUuid}`)
    const log = makeLogger({ spec: 'none' })
    const lvm = new Lvm({ system, paths, locks: new LockManager(paths, effects), log }, { master: true })
    const group = new VolumeGroup(lvm, groupName(this.#srUuid))
    const references = new RefCounter(lvm.deps, this.#srUuid)
    const limit = { group: group.name }
    const vhd = new EmbeddedVhdUtil(system, limit)
    const journals = new VolumeJournals(group)
    const tools = { group, journals, vhd }
    return {
      group,
      references,
      vhd,
      journals,
      activator: new Activator(group, references),
      metadata: new MetadataVolume(group),
      groups: {
        create: (devices: string[]) => createGroup(lvm, group.name, devices),
        remove: () => removeGroup(lvm, group.name),
        grow: (devices: string[]) => growPhysicalVolumes(lvm, devices),
        on: (devices: string[]) => groupsOn(lvm, devices),
        clear: () => clearGroupMappings(lvm, group.name),
      },
      lvhd: {
        scan: (uuids?: string[]) => scanVhds(group, uuids === undefined ? {} : { uuids }),
        inflate: (uuid: string, bytes: number) => inflate(tools, uuid, bytes),
        deflate: (volume: string, bytes: number) => deflate(tools, volume, bytes),
        undoInflate: async (uuid: string) => {
          await undoInflate(tools, uuid)
          await journals.remove('inflate', uuid)
        },
        coalesce: (path: string) => coalesce(system.files, path, limit),
        write: async (path: string, position: number, bytes: Uint8Array) => {
          const writer = await VhdLeafWriter.open(system.files, path, limit)
          await writer.write(position, Buffer.from(bytes)).finally(() => writer.close())
        },
        sha256: (path: string) => contentOf(system.files, path, limit),
      },
    }
  }
}

async function contentOf(files: Files, path: string, limit: { group: string }): Promise<string> {
  const chain = await VhdChain.open(files, path, limit)
  try {
    const hash = createHash('sha256')
    const step = 1024 * 1024
    for (let at = 0; at < chain.virtualSize; at += step) {
      hash.update(await chain.read(at, Math.min(step, chain.virtualSize - at)))
    }
    return hash.digest('hex')
  } finally {
    await chain.close()
  }
}

function toRecord(error: unknown): NonNullable<Outcome['error']> {
  if (!(error instanceof Error)) return { message: String(error) }
  const code =
    'code' in error && (typeof error.code === 'number' || typeof error.code === 'string') ? error.code : undefined
  return {
    message: error.message,
    ...(error instanceof LvmError ? { reason: error.reason } : {}),
    ...(code === undefined ? {} : { code }),
  }
}
