import { Batmap, readBatmapHeader } from './Batmap.ts'
import { BitmapCache } from './BitmapCache.ts'
import type { BlockTable } from './BlockTable.ts'
import type { ByteRange } from './DiskImage.ts'
import { batmapHeaderOffset } from './header.ts'
import { batmapCoverage, bitmapBytes, SECTOR_SIZE } from './layout.ts'
import { bitRuns } from './SectorBitmap.ts'
import type { Storage } from './Storage.ts'
import type { VhdImage } from './VhdImage.ts'
import { VhdError } from './VhdUtil.ts'

/** Sectors `[first, end)` of the guest's disk, and where a layer holds them: a byte offset in its file, or nowhere. */
export interface LayerRun {
  readonly first: number
  readonly end: number
  readonly position: number | undefined
}

/** One file of a chain. */
export interface Layer {
  readonly path: string
  readonly storage: Storage
  /** Which sectors of `[first, end)` this layer holds, ascending and without gaps. */
  locate(first: number, end: number): Promise<LayerRun[]>
  /** Reads what this layer holds from a byte offset of its file on. Throws EIO where the file lacks it. */
  readInto(target: Buffer, position: number): Promise<void>
  ranges(): Iterable<ByteRange>
  close(): Promise<void>
}

/** Bytes of bitmaps kept per layer: those of 8 GiB of guest data. */
const CACHED_BITMAPS = 2 * 1024 * 1024

/** The blocks of one dynamic or differencing disk. Tables are in memory; changes to them are seen by reads at once. */
export class VhdLayer implements Layer {
  readonly image: VhdImage
  readonly table: BlockTable
  readonly batmap: Batmap | undefined
  /** Bitmaps that differ from those on disk, by block. */
  readonly dirty = new Map<number, Buffer>()
  /** The bits on disk are broken and `batmap` is to take their place. */
  readonly mendsBatmap: boolean
  readonly #cache = new BitmapCache(CACHED_BITMAPS)

  constructor(image: VhdImage, table: BlockTable, batmap: Batmap | undefined, mendsBatmap = false) {
    this.image = image
    this.table = table
    this.batmap = batmap
    this.mendsBatmap = mendsBatmap
  }

  get path(): string {
    return this.image.path
  }

  get storage(): Storage {
    return this.image.storage
  }

  get sectorsPerBlock(): number {
    return this.image.header.blockSize / SECTOR_SIZE
  }

  /** Sectors of the virtual size. */
  get sectors(): number {
    return Math.ceil(this.image.virtualSize / SECTOR_SIZE)
  }

  async locate(first: number, end: number): Promise<LayerRun[]> {
    const stop = Math.max(first, Math.min(end, this.sectors))
    const runs: LayerRun[] = []
    let at = first
    while (at < stop) {
      const block = Math.floor(at / this.sectorsPerBlock)
      const allocated = this.table.get(block) !== undefined
      const next = allocated ? (block + 1) * this.sectorsPerBlock : this.#endOfUnallocated(block, stop)
      const part = Math.min(stop, next)
      if (allocated) runs.push(...(await this.#locateInBlock(block, at, part)))
      else runs.push({ first: at, end: part, position: undefined })
      at = part
    }
    if (stop < end) runs.push({ first: stop, end, position: undefined })
    return runs
  }

  readInto(target: Buffer, position: number): Promise<void> {
    return this.storage.readInto(target, position)
  }

  #endOfUnallocated(block: number, stop: number): number {
    let next = block + 1
    while (next * this.sectorsPerBlock < stop && this.table.get(next) === undefined) next += 1
    return next * this.sectorsPerBlock
  }

  async #locateInBlock(block: number, first: number, end: number): Promise<LayerRun[]> {
    const data = this.dataOffset(block)
    const start = block * this.sectorsPerBlock
    const position = (sector: number): number => data + (sector - start) * SECTOR_SIZE
    if (this.batmap?.isFull(block) === true) return [{ first, end, position: position(first) }]
    const bitmap = await this.bitmap(block)
    return [...bitRuns(bitmap, first - start, end - start)].map(run => ({
      first: start + run.first,
      end: start + run.end,
      position: run.present ? position(start + run.first) : undefined,
    }))
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

  /** The bitmap of an allocated block, with changes that are not on disk yet. Not to be changed by the caller. */
  async bitmap(block: number): Promise<Buffer> {
    const changed = this.dirty.get(block)
    if (changed !== undefined) return changed
    const length = bitmapBytes(this.image.header.blockSize)
    return this.#cache.get(block, () => this.storage.read(this.bitmapOffset(block), length))
  }

  /** Takes over a changed bitmap that is on disk now. */
  keep(block: number, bitmap: Buffer): void {
    this.dirty.delete(block)
    this.#cache.keep(block, bitmap)
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

/**
 * Reads the tables of a disk that is to be written. Where a crash came between the bits of the batmap and their checksum
 * it starts anew with clear bits, which are always safe (spec vhd 2.6). Throws EINVAL where the batmap has no valid header.
 */
export async function readWritableLayer(image: VhdImage): Promise<VhdLayer> {
  const table = await image.readTable()
  const batmap = await batmapIfValid(image)
  if (batmap !== undefined || !image.footer.hasBatmap) return new VhdLayer(image, table, batmap)
  return new VhdLayer(image, table, await clearBatmap(image), true)
}

async function batmapIfValid(image: VhdImage): Promise<Batmap | undefined> {
  try {
    return await image.readBatmap()
  } catch (error) {
    if (error instanceof VhdError && error.code === 'EINVAL') return undefined
    throw error
  }
}

async function clearBatmap(image: VhdImage): Promise<Batmap> {
  const header = await readBatmapHeader(image.storage, batmapHeaderOffset(image.header))
  return new Batmap(header, Buffer.alloc(batmapCoverage(image.virtualSize)))
}
