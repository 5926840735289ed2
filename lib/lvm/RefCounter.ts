import path from 'node:path'
import type { Lock } from '../lock/Lock.ts'
import { isErrno } from '../os/files.ts'
import type { OpenFile } from '../os/OpenFile.ts'
import type { LvmDeps } from './Lvm.ts'
import { volumeNamespace } from './names.ts'

/** Who holds a volume active on this host: `count` users of any kind, and whether the VDI itself is attached. */
export interface References {
  readonly count: number
  readonly binary: 0 | 1
}

export type ReferenceKind = 'count' | 'binary'

/** How often a file is created anew because its directory is removed at the same time. */
const MAX_CREATES = 10
const NONE: References = { count: 0, binary: 0 }

/**
 * The refcounts of one SR's volumes on this host, in the reference's files `/run/sm/refcount/lvm-<sr uuid>/<vdi uuid>`
 * (spec lvhd 10). Each method holds the lock `lvm-<sr uuid>/<vdi uuid>` meanwhile.
 */
export class RefCounter {
  readonly #deps: LvmDeps
  readonly #namespace: string

  constructor(deps: LvmDeps, srUuid: string) {
    this.#deps = deps
    this.#namespace = volumeNamespace(srUuid)
  }

  /** Runs `body` under the locks of these VDIs' refcounts, taken in the order of their uuids so that nobody waits in a circle. */
  async locked<T>(vdiUuids: readonly string[], body: () => Promise<T>): Promise<T> {
    const locks: Lock[] = []
    try {
      for (const uuid of [...new Set(vdiUuids)].sort()) locks.push(await this.#deps.locks.lock(this.#namespace, uuid))
      return await body()
    } finally {
      for (const lock of locks.reverse()) await lock.release()
    }
  }

  /** No file means no references. A file that cannot be understood counts as none and is told to the log. */
  async read(vdiUuid: string): Promise<References> {
    try {
      const text = await this.#deps.system.files.readText(this.#file(vdiUuid))
      const [, count, binary] = /^(\d{1,9}) ([01])\n?$/.exec(text) ?? []
      if (count !== undefined) return { count: Number(count), binary: binary === '1' ? 1 : 0 }
      this.#deps.log.warn(`${this.#file(vdiUuid)} holds no refcount: ${JSON.stringify(text)}`)
      return NONE
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return NONE
      throw error
    }
  }

  /** Sets both; no references remove the file. */
  async write(vdiUuid: string, references: References): Promise<void> {
    await this.locked([vdiUuid], () => this.#store(vdiUuid, references))
  }

  /** Adds a reference; returns how many there are now, both kinds together. */
  async get(vdiUuid: string, kind: ReferenceKind): Promise<number> {
    return this.#adjust(vdiUuid, kind, 1)
  }

  /** Drops a reference, never below none; returns how many are left. */
  async put(vdiUuid: string, kind: ReferenceKind): Promise<number> {
    return this.#adjust(vdiUuid, kind, -1)
  }

  /** Forgets all references of the SR: at the end of an attachment. */
  async forgetAll(): Promise<void> {
    await this.reset(new Map())
  }

  /** Sets these references and forgets all others of the SR: at the start of an attachment. */
  async reset(wanted: ReadonlyMap<string, References>): Promise<void> {
    const { files } = this.#deps.system
    const kept = new Set([...wanted.keys()].map(uuid => path.basename(this.#file(uuid))))
    for (const [uuid, references] of wanted) await this.write(uuid, references)
    const others = (await this.#names()).filter(name => !kept.has(name))
    for (const name of others) await files.unlinkIfPresent(path.join(this.#directory, name))
    await this.#removeDirectory()
  }

  get #directory(): string {
    return path.join(this.#deps.paths.runtime, 'refcount', this.#namespace)
  }

  /** As the reference spells names that are no file names. */
  #file(vdiUuid: string): string {
    return path.join(this.#directory, vdiUuid.replaceAll(/[/*?\\]/g, '_'))
  }

  async #adjust(vdiUuid: string, kind: ReferenceKind, by: 1 | -1): Promise<number> {
    return this.locked([vdiUuid], async () => {
      const before = await this.read(vdiUuid)
      if (by < 0 && before[kind] === 0) this.#deps.log.warn(`VDI ${vdiUuid} had no ${kind} reference to drop`)
      const count = Math.max(0, before.count + (kind === 'count' ? by : 0))
      const binary = kind === 'count' ? before.binary : by > 0 ? 1 : 0
      await this.#store(vdiUuid, { count, binary })
      return count + binary
    })
  }

  /** Replaced in one step: whoever reads sees the old pair or the new one. It need not outlive the host's memory. */
  async #store(vdiUuid: string, { count, binary }: References): Promise<void> {
    const { files } = this.#deps.system
    const file = this.#file(vdiUuid)
    if (count === 0 && binary === 0) {
      if (!(await files.exists(file))) return
      await files.unlinkIfPresent(file)
      await this.#removeDirectory()
      return
    }
    const temporary = `${file}.new`
    const created = await this.#create(temporary)
    await files.using(Promise.resolve(created), opened => opened.write(Buffer.from(`${count} ${binary}\n`), 0))
    await files.rename(temporary, file)
  }

  /** Who drops the last reference of another VDI may remove the directory at any moment before the file is in it. */
  async #create(file: string): Promise<OpenFile> {
    const { files } = this.#deps.system
    for (let attempt = 1; ; attempt += 1) {
      if (!(await files.exists(this.#directory))) await files.makeDirectory(this.#directory, { recursive: true })
      try {
        return await files.create(file)
      } catch (error) {
        if (attempt === MAX_CREATES || !isErrno(error, 'ENOENT')) throw error
      }
    }
  }

  async #names(): Promise<string[]> {
    try {
      return await this.#deps.system.files.list(this.#directory)
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return []
      throw error
    }
  }

  /** Others may use it: then it stays. */
  async #removeDirectory(): Promise<void> {
    try {
      await this.#deps.system.files.removeDirectory(this.#directory)
    } catch (error) {
      if (!isErrno(error, 'ENOTEMPTY') && !isErrno(error, 'ENOENT') && !isErrno(error, 'EEXIST')) throw error
    }
  }
}
