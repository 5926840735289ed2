import type { Batmap } from './Batmap.ts'
import type { BlockTable } from './BlockTable.ts'
import type { ByteRange } from './DiskImage.ts'
import { bitmapBytes, SECTOR_SIZE } from './layout.ts'
import { bitRuns } from './SectorBitmap.ts'
import type { VhdImage } from './VhdImage.ts'
import { VhdError } from './VhdUtil.ts'

/** Fills sectors that a layer does not hold from the layer below. */
export type ReadBelow = (target: Buffer, sector: number) => Promise<void>

/** One file of a chain. */
export interface Layer {
  readonly path: string
  /** Fills `target` (zeroes, whole sectors) from `sector` on; what this layer lacks is asked of `below`. */
  fill(target: Buffer, sector: number, below: ReadBelow): Promise<void>
  ranges(): Iterable<ByteRange>
  close(): Promise<void>
}

/** Block bitmaps kept per layer. */
const CACHED_BITMAPS = 256

/** The blocks of one dynamic or differencing disk. Tables are in memory; changes to them are seen by reads at once. */
export class VhdLayer implements Layer {
  readonly image: VhdImage
  readonly table: BlockTable
  readonly batmap: Batmap | undefined
  /** Bitmaps that differ from those on disk, by block. */
  readonly dirty = new Map<number, Buffer>()
  readonly #cache = new Map<number, Buffer>()

  constructor(image: VhdImage, table: BlockTable, batmap: Batmap | undefined) {
    this.image = image
    this.table = table
    this.batmap = batmap
  }

  get path(): string {
    return this.image.path
  }

  get sectorsPerBlock(): number {
    return this.image.header.blockSize / SECTOR_SIZE
  }

  async fill(target: Buffer, sector: number, below: ReadBelow): Promise<void> {
    const last = Math.min(sector + target.length / SECTOR_SIZE, Math.ceil(this.image.virtualSize / SECTOR_SIZE))
    let at = sector
    while (at < last) {
      const block = Math.floor(at / this.sectorsPerBlock)
      const end = Math.min(last, (block + 1) * this.sectorsPerBlock)
      const part = target.subarray((at - sector) * SECTOR_SIZE, (end - sector) * SECTOR_SIZE)
      await this.#fillFromBlock(part, { block, first: at, end }, below)
      at = end
    }
  }

  async #fillFromBlock(
    target: Buffer,
    { block, first, end }: { readonly block: number; readonly first: number; readonly end: number },
    below: ReadBelow,
  ): Promise<void> {
    if (this.table.get(block) === undefined) return below(target, first)
    const bitmap = this.batmap?.isFull(block) === true ? undefined : await this.bitmap(block)
    const start = block * this.sectorsPerBlock
    const whole = [{ present: true, first: first - start, end: end - start }]
    for (const run of bitmap === undefined ? whole : bitRuns(bitmap, first - start, end - start)) {
      const from = (start + run.first - first) * SECTOR_SIZE
      const part = target.subarray(from, from + (run.end - run.first) * SECTOR_SIZE)
      if (run.present) await this.#readPresent(part, this.dataOffset(block) + run.first * SECTOR_SIZE)
      else await below(part, start + run.first)
    }
  }

  async #readPresent(target: Buffer, position: number): Promise<void> {
    const bytes = await this.image.storage.read(position, target.length)
    bytes.copy(target)
  }

  /** Byte offset of an allocated block's bitmap. */
  bitmapOffset(block: number): number {
    const sector = this.table.get(block)
    if (sector === undefined) throw new RangeError(`block ${block} of ${this.path} is not allocated`)
    return sector * SECTOR_SIZE
  }

  /** Byte offset of an allocated block's data. */
  dataOffset(block: number): number {
    return this.bitmapOffset(block) + bitmapBytes(this.image.header.blockSize)
  }

  /** The bitmap of an allocated block as it is or will be on disk. Not to be changed. */
  async bitmap(block: number): Promise<Buffer> {
    const known = this.dirty.get(block) ?? this.#cache.get(block)
    if (known !== undefined) return known
    const bitmap = await this.image.storage.read(this.bitmapOffset(block), bitmapBytes(this.image.header.blockSize))
    this.keep(block, bitmap)
    return bitmap
  }

  /** Caches a bitmap that is on disk; the oldest one makes room. */
  keep(block: number, bitmap: Buffer): void {
    this.#cache.delete(block)
    this.#cache.set(block, bitmap)
    const [oldest] = this.#cache.keys()
    if (this.#cache.size > CACHED_BITMAPS && oldest !== undefined) this.#cache.delete(oldest)
  }

  *ranges(): IterableIterator<ByteRange> {
    const length = this.image.header.blockSize
    for (const { block } of this.table.allocated()) yield { offset: block * length, length }
  }

  async close(): Promise<void> {
    await this.image.close()
  }
}

/** Reads the tables of an open disk. An invalid batmap is done without: it is only a hint (spec vhd 2.6). */
export async function readLayer(image: VhdImage): Promise<VhdLayer> {
  return new VhdLayer(image, await image.readTable(), await batmapIfValid(image))
}

async function batmapIfValid(image: VhdImage): Promise<Batmap | undefined> {
  try {
    return await image.readBatmap()
  } catch (error) {
    if (error instanceof VhdError && error.code === 'EINVAL') return undefined
    throw error
  }
}
