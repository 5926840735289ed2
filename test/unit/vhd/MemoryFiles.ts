import path from 'node:path'
import type { BigIntStats, Stats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { Effects, errnoError } from '../../../lib/os/effects.ts'
import { Files } from '../../../lib/os/files.ts'
import { OpenFile } from '../../../lib/os/OpenFile.ts'
import { MemoryNode } from './MemoryNode.ts'

/** What code under test asked of the files. */
export interface Usage {
  readonly opened: Set<string>
  calls: number
  /** Bytes. */
  read: number
  written: number
}

/**
 * Files of one directory in memory. Symbolic links are not known; directories are those of the files. What was not
 * synced can be lost, see `MemoryNode`.
 */
export class MemoryFiles extends Files {
  readonly nodes = new Map<string, MemoryNode>()
  readonly usage: Usage = { opened: new Set(), calls: 0, read: 0, written: 0 }
  readonly #effects: Effects

  constructor(effects: Effects = new Effects('')) {
    super(effects)
    this.#effects = effects
  }

  /** The same files with other effects, as after a restart. */
  withEffects(effects: Effects): MemoryFiles {
    const other = new MemoryFiles(effects)
    for (const [name, node] of this.nodes) other.nodes.set(name, node)
    return other
  }

  put(name: string, bytes: Buffer): MemoryNode {
    const node = new MemoryNode(bytes)
    this.nodes.set(name, node)
    return node
  }

  override openRead(name: string): Promise<OpenFile> {
    return this.#open(name)
  }

  override openRegular(name: string): Promise<OpenFile> {
    return this.#open(name)
  }

  override openWrite(name: string): Promise<OpenFile> {
    return this.#open(name)
  }

  override create(name: string, options: { exclusive?: boolean } = {}): Promise<OpenFile> {
    return this.#do(() => {
      this.#effects.before('file', `create ${name}`)
      if (options.exclusive === true && this.nodes.has(name)) throw errnoError('EEXIST', name)
      this.put(name, Buffer.alloc(0))
      return this.#openFile(name)
    })
  }

  override async listKinds(directory: string): Promise<{ name: string; regular: boolean }[]> {
    return (await this.list(directory)).map(name => ({ name, regular: true }))
  }

  override list(directory: string): Promise<string[]> {
    return this.#do(() => {
      const inside = [...this.nodes.keys()].filter(name => path.dirname(name) === directory)
      return inside.map(name => path.basename(name)).sort()
    })
  }

  override stat(name: string): Promise<Stats> {
    return this.#do(() => this.#stats(name) as unknown as Stats)
  }

  override lstat(name: string): Promise<Stats> {
    return this.stat(name)
  }

  override identity(name: string): Promise<BigIntStats> {
    return this.#do(() => {
      const stats = this.#stats(name)
      return { ...stats, size: BigInt(stats.size), ino: BigInt(stats.ino), dev: 1n } as unknown as BigIntStats
    })
  }

  override exists(name: string): Promise<boolean> {
    return this.#do(() => this.nodes.has(name) || this.#isDirectory(name))
  }

  override realpath(name: string): Promise<string> {
    return this.#do(() => {
      if (!this.nodes.has(name) && !this.#isDirectory(name)) throw errnoError('ENOENT', name)
      return name
    })
  }

  override unlink(name: string): Promise<void> {
    return this.#do(() => {
      this.#effects.before('file', `unlink ${name}`)
      if (!this.nodes.delete(name)) throw errnoError('ENOENT', name)
    })
  }

  override syncDirectory(directory: string): Promise<void> {
    return this.#do(() => {
      this.#effects.before('file', `fsync ${directory}`)
    })
  }

  #open(name: string): Promise<OpenFile> {
    return this.#do(() => this.#openFile(name))
  }

  #openFile(name: string): OpenFile {
    this.usage.opened.add(name)
    return new MemoryFile(this.#node(name), { effects: this.#effects, name, usage: this.usage })
  }

  #stats(name: string): { size: number; mtimeMs: number; ino: number } & Record<string, unknown> {
    const directory = !this.nodes.has(name) && this.#isDirectory(name)
    const node = directory ? undefined : this.#node(name)
    return {
      size: node?.size ?? 0,
      mtimeMs: 1_704_164_645_000,
      ino: node?.inode ?? 0,
      dev: 1,
      isFile: () => !directory,
      isDirectory: () => directory,
      isBlockDevice: () => false,
    }
  }

  #node(name: string): MemoryNode {
    const node = this.nodes.get(name)
    if (node !== undefined) return node
    throw errnoError(this.#isDirectory(name) ? 'EISDIR' : 'ENOENT', name)
  }

  #isDirectory(name: string): boolean {
    return [...this.nodes.keys()].some(file => file.startsWith(name === '/' ? name : `${name}/`))
  }

  async #do<T>(action: () => T): Promise<T> {
    this.usage.calls += 1
    return Promise.resolve(action())
  }
}

interface Context {
  readonly effects: Effects
  readonly name: string
  readonly usage: Usage
}

class MemoryFile extends OpenFile {
  readonly #node: MemoryNode
  readonly #context: Context

  constructor(node: MemoryNode, context: Context) {
    // Every method that would use the handle is replaced below.
    super(undefined as unknown as FileHandle, context.effects, context.name)
    this.#node = node
    this.#context = context
  }

  override async readInto(buffer: Buffer, position: number): Promise<number> {
    this.#context.usage.calls += 1
    this.#context.usage.read += buffer.length
    return Promise.resolve(this.#node.read(buffer, position))
  }

  override async write(buffer: Buffer, position: number): Promise<void> {
    this.#before(`write ${this.path} ${position}+${buffer.length}`)
    this.#context.usage.written += buffer.length
    await Promise.resolve()
    this.#node.write(buffer, position)
  }

  override copyFrom(): Promise<boolean> {
    return Promise.resolve(false)
  }

  override async punchHole(position: number, length: number): Promise<boolean> {
    this.#before(`punch ${this.path} ${position}+${length}`)
    const end = Math.min(position + length, this.#node.size)
    await Promise.resolve()
    if (end > position) this.#node.write(Buffer.alloc(end - position), position)
    return true
  }

  override runs(position: number, length: number): Promise<{ position: number; length: number; stored: boolean }[]> {
    return Promise.resolve([{ position, length, stored: true }])
  }

  override async truncate(length: number): Promise<void> {
    this.#before(`truncate ${this.path} ${length}`)
    await Promise.resolve()
    this.#node.truncate(length)
  }

  override async sync(): Promise<void> {
    this.#before(`fsync ${this.path}`)
    await Promise.resolve()
    this.#node.sync()
  }

  override stat(): Promise<Stats> {
    return Promise.resolve({ size: this.#node.size } as unknown as Stats)
  }

  override close(): Promise<void> {
    return Promise.resolve()
  }

  #before(detail: string): void {
    this.#context.usage.calls += 1
    this.#context.effects.before('file', detail)
  }
}
