import type { Files } from '../os/files.ts'
import { BlockWriter } from './BlockWriter.ts'
import { checkWritable } from './checkWritable.ts'
import { type ByteRange, requireRange, type StatusRange, type WritableDiskImage } from './DiskImage.ts'
import { asVhdError, vhdError } from './errors.ts'
import { SECTOR_SIZE } from './layout.ts'
import { zeroPayload } from './Payload.ts'
import { RangeLock } from './RangeLock.ts'
import { type ChainOptions, VhdChain } from './VhdChain.ts'
import type { VhdLayer } from './VhdLayer.ts'

export interface WriterOptions extends ChainOptions {
  /** Make the tables durable after every write, for callers that never flush. */
  readonly writeThrough?: boolean
}

/** Changes of tables that may wait for a flush. */
const MAX_PENDING = 64

/**
 * Writes to the leaf of a chain (spec vhd 2.7, datapath 14.2). Data goes to the file at once, bitmaps and table entries
 * when they are flushed, each only after what it points to is durable; so a crash loses unflushed writes and nothing else.
 * Reads never wait; changes of the same sectors are made in the order of their calls.
 */
export class VhdLeafWriter implements WritableDiskImage {
  readonly #chain: VhdChain
  readonly #leaf: VhdLayer
  readonly #blocks: BlockWriter
  readonly #changes = new RangeLock()
  readonly #pendingLimit: number

  constructor(chain: VhdChain, leaf: VhdLayer, writeThrough: boolean) {
    this.#chain = chain
    this.#leaf = leaf
    this.#blocks = new BlockWriter(leaf)
    this.#pendingLimit = writeThrough ? 1 : MAX_PENDING
  }

  /** Opens a chain, its leaf for writing. Throws as `VhdChain.open`, EROFS for a hidden leaf, EINVAL for a damaged one. */
  static async open(files: Files, path: string, options: WriterOptions = {}): Promise<VhdLeafWriter> {
    const chain = await VhdChain.open(files, path, { ...options, write: true })
    try {
      const { leaf } = chain
      if (leaf === undefined) throw vhdError('ENOSYS', `${path} is a fixed disk`)
      checkWritable(leaf)
      return new VhdLeafWriter(chain, leaf, options.writeThrough === true)
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
    return this.#chain.read(position, length)
  }

  allocatedRanges(): ByteRange[] {
    return this.#chain.allocatedRanges()
  }

  status(position: number, length: number): AsyncIterable<StatusRange> {
    return this.#chain.status(position, length)
  }

  async write(position: number, bytes: Buffer): Promise<void> {
    await this.#change(position, bytes.length, async () => {
      await this.#blocks.write(Math.floor(position / SECTOR_SIZE), await this.#align(position, bytes))
    })
  }

  /** What reads as zeroes through the whole chain stays as it is unless `allocate` is asked for (spec datapath 14.2, 10). */
  async writeZeroes(position: number, length: number, options: { readonly allocate?: boolean } = {}): Promise<void> {
    await this.#change(position, length, () => this.#writeZeroes(position, length, options.allocate === true))
  }

  /** Only whole sectors that the leaf itself holds are given back; the images below are not ours to change. */
  async trim(position: number, length: number): Promise<void> {
    await this.#change(position, length, async () => {
      const { first, end } = wholeSectors(position, length)
      if (first < end) await this.#blocks.discard(first, end)
    })
  }

  async flush(): Promise<void> {
    await this.#run(() => this.#blocks.flush())
  }

  /** Flushes, writes batmap and footers if anything was written, closes all files whatever happens. */
  async close(): Promise<void> {
    await this.#run(() => this.#blocks.finish().finally(() => this.#chain.close()))
  }

  /** Whole sectors: the rest of the first and the last one is read through the chain. */
  async #align(position: number, bytes: Buffer): Promise<Buffer> {
    const before = position % SECTOR_SIZE
    const end = position + bytes.length
    const after = Math.ceil(end / SECTOR_SIZE) * SECTOR_SIZE - end
    if (before === 0 && after === 0) return bytes
    return Buffer.concat([await this.#chain.read(position - before, before), bytes, await this.#chain.read(end, after)])
  }

  async #writeZeroes(position: number, length: number, allocate: boolean): Promise<void> {
    const { first, end } = wholeSectors(position, length)
    if (first >= end)
      return this.#blocks.write(Math.floor(position / SECTOR_SIZE), await this.#alignedZeroes(position, length))
    const head = first * SECTOR_SIZE - position
    const tail = position + length - end * SECTOR_SIZE
    if (head > 0) await this.#blocks.write(first - 1, await this.#alignedZeroes(position, head))
    for (const part of this.#parts(first, end)) {
      if (allocate || (await this.#isHeld(part))) {
        await this.#blocks.put(part.first, zeroPayload((part.end - part.first) * SECTOR_SIZE, allocate))
      }
    }
    if (tail > 0) await this.#blocks.write(end, await this.#alignedZeroes(end * SECTOR_SIZE, tail))
  }

  async #alignedZeroes(position: number, length: number): Promise<Buffer> {
    return this.#align(position, Buffer.alloc(length))
  }

  /** Parts of `[first, end)` within one block each. */
  *#parts(first: number, end: number): IterableIterator<{ readonly first: number; readonly end: number }> {
    const { sectorsPerBlock } = this.#leaf
    for (let at = first; at < end;) {
      const stop = Math.min(end, (Math.floor(at / sectorsPerBlock) + 1) * sectorsPerBlock)
      yield { first: at, end: stop }
      at = stop
    }
  }

  async #isHeld({ first, end }: { readonly first: number; readonly end: number }): Promise<boolean> {
    return (await this.#chain.locate(first, end)).some(run => run.source !== undefined)
  }

  /** Runs a change when no other one of the same sectors is under way, then makes tables durable where too many wait. */
  async #change(position: number, length: number, change: () => Promise<void>): Promise<void> {
    requireRange(this, position, length)
    if (length === 0) return
    const first = Math.floor(position / SECTOR_SIZE)
    const end = Math.ceil((position + length) / SECTOR_SIZE)
    await this.#run(async () => {
      await this.#changes.run(first, end, change)
      if (this.#blocks.pending >= this.#pendingLimit) await this.#blocks.flush()
    })
  }

  async #run(task: () => Promise<void>): Promise<void> {
    await asVhdError(this.images[0] ?? '', task)
  }
}

/** The sectors that lie wholly in a range of bytes. */
function wholeSectors(position: number, length: number): { first: number; end: number } {
  return { first: Math.ceil(position / SECTOR_SIZE), end: Math.floor((position + length) / SECTOR_SIZE) }
}
