import type { Files } from '../os/files.ts'
import { BlockWriter } from './BlockWriter.ts'
import { checkWritable } from './checkWritable.ts'
import { type ByteRange, requireRange, type WritableDiskImage } from './DiskImage.ts'
import { asVhdError, vhdError } from './errors.ts'
import { SECTOR_SIZE } from './layout.ts'
import { Serial } from './Serial.ts'
import { type ChainOptions, VhdChain } from './VhdChain.ts'

export interface WriterOptions extends ChainOptions {
  /** Make the tables durable after every write, for callers that never flush. */
  readonly writeThrough?: boolean
}

/** Changes of tables that may wait for a flush. */
const MAX_PENDING = 64

/**
 * Writes to the leaf of a chain (spec vhd 2.7, datapath 14.2). Data goes to the file at once, bitmaps and table entries
 * when they are flushed, each only after what it points to is durable; so a crash loses unflushed writes and nothing else.
 * Calls are served one after the other, reads included.
 */
export class VhdLeafWriter implements WritableDiskImage {
  readonly #chain: VhdChain
  readonly #blocks: BlockWriter
  readonly #serial = new Serial()
  readonly #pendingLimit: number

  constructor(chain: VhdChain, blocks: BlockWriter, writeThrough: boolean) {
    this.#chain = chain
    this.#blocks = blocks
    this.#pendingLimit = writeThrough ? 1 : MAX_PENDING
  }

  /** Opens a chain, its leaf for writing. Throws as `VhdChain.open`, EROFS for a hidden leaf, EINVAL for a damaged one. */
  static async open(files: Files, path: string, options: WriterOptions = {}): Promise<VhdLeafWriter> {
    const chain = await VhdChain.open(files, path, { ...options, write: true })
    try {
      const { leaf } = chain
      if (leaf === undefined) throw vhdError('ENOSYS', `${path} is a fixed disk`)
      checkWritable(leaf)
      return new VhdLeafWriter(chain, new BlockWriter(leaf), options.writeThrough === true)
    } catch (error) {
      await chain.close()
      throw error
    }
  }

  get virtualSize(): number {
    return this.#chain.virtualSize
  }

  get images(): readonly string[] {
    return this.#chain.images
  }

  async read(position: number, length: number): Promise<Buffer> {
    return this.#serial.run(() => this.#chain.read(position, length))
  }

  allocatedRanges(): ByteRange[] {
    return this.#chain.allocatedRanges()
  }

  async write(position: number, bytes: Buffer): Promise<void> {
    requireRange(this, position, bytes.length)
    if (bytes.length > 0) await this.#run(() => this.#write(position, bytes))
  }

  async flush(): Promise<void> {
    await this.#run(() => this.#blocks.flush())
  }

  /** Flushes, writes batmap and footers if anything was written, closes all files whatever happens. */
  async close(): Promise<void> {
    await this.#run(() => this.#blocks.finish().finally(() => this.#chain.close()))
  }

  async #write(position: number, bytes: Buffer): Promise<void> {
    const aligned = await this.#align(position, bytes)
    await this.#blocks.write(Math.floor(position / SECTOR_SIZE), aligned)
    if (this.#blocks.pending >= this.#pendingLimit) await this.#blocks.flush()
  }

  /** Whole sectors: the rest of the first and the last one is read through the chain. */
  async #align(position: number, bytes: Buffer): Promise<Buffer> {
    const before = position % SECTOR_SIZE
    const end = position + bytes.length
    const after = Math.ceil(end / SECTOR_SIZE) * SECTOR_SIZE - end
    if (before === 0 && after === 0) return bytes
    return Buffer.concat([await this.#chain.read(position - before, before), bytes, await this.#chain.read(end, after)])
  }

  async #run(task: () => Promise<void>): Promise<void> {
    await this.#serial.run(() => asVhdError(this.images[0] ?? '', task))
  }
}
