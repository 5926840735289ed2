import { vhdError } from './errors.ts'
import { endFooterOffset, writeFooters } from './footers.ts'
import { batmapHeaderOffset } from './header.ts'
import { bitmapBytes, BLOCK_UNUSED, FOOTER_SIZE, nextBlockSector, SECTOR_SIZE } from './layout.ts'
import { isFull, setBits } from './SectorBitmap.ts'
import type { VhdLayer } from './VhdLayer.ts'

interface BlockPart {
  readonly block: number
  /** First sector within the block. */
  readonly first: number
  readonly bytes: Buffer
}

/**
 * Puts sectors into one disk's blocks. On stable storage a table entry points only to a bitmap that is valid, and a
 * bit is set only where its data is (spec datapath 14.2).
 */
export class BlockWriter {
  readonly #layer: VhdLayer
  /** Blocks whose table entry is not on disk yet. */
  readonly #new = new Set<number>()
  #end: number
  #batmapChanged = false
  #unsynced = false
  #changed = false

  constructor(layer: VhdLayer) {
    this.#layer = layer
    this.#end = layer.image.endOfData(layer.table, layer.batmap)
  }

  /** Bitmaps that wait for a flush. */
  get pending(): number {
    return this.#layer.dirty.size
  }

  /** Writes whole sectors from `sector` on. A failed write leaves earlier content as it was or as written, sector by sector. */
  async write(sector: number, bytes: Buffer): Promise<void> {
    const { sectorsPerBlock } = this.#layer
    let done = 0
    while (done < bytes.length) {
      const at = sector + done / SECTOR_SIZE
      const block = Math.floor(at / sectorsPerBlock)
      const first = at % sectorsPerBlock
      const length = Math.min(bytes.length - done, (sectorsPerBlock - first) * SECTOR_SIZE)
      await this.#writePart({ block, first, bytes: bytes.subarray(done, done + length) })
      done += length
    }
  }

  /** Makes everything written so far durable: data and new bitmaps first, then what refers to them. */
  async flush(): Promise<void> {
    const { storage } = this.#layer.image
    if (!this.#unsynced) return
    for (const block of this.#new) await this.#writeBitmap(block)
    await storage.sync()
    if (this.pending > 0) {
      await this.#writeTable()
      for (const block of this.#layer.dirty.keys()) if (!this.#new.has(block)) await this.#writeBitmap(block)
      await storage.sync()
    }
    for (const [block, bitmap] of this.#layer.dirty) this.#layer.keep(block, bitmap)
    this.#layer.dirty.clear()
    this.#new.clear()
    this.#unsynced = false
  }

  /** Flushes, then writes batmap and footers if anything was written. */
  async finish(): Promise<void> {
    if (!this.#changed) return
    await this.flush()
    const { image, batmap } = this.#layer
    if (batmap !== undefined && this.#batmapChanged) {
      await image.storage.write(batmap.bits, batmap.header.offset)
      await image.storage.write(batmap.headerBytes(), batmapHeaderOffset(image.header))
    }
    await writeFooters(image, image.footer, await endFooterOffset(image))
    await image.storage.sync()
    this.#changed = false
  }

  async #writePart(part: BlockPart): Promise<void> {
    const { table, image } = this.#layer
    this.#changed = true
    this.#unsynced = true
    if (table.get(part.block) === undefined) return this.#allocate(part)
    const position = this.#layer.dataOffset(part.block) + part.first * SECTOR_SIZE
    const old = await this.#layer.bitmap(part.block)
    await image.storage.write(part.bytes, position)
    this.#mark(part, Buffer.from(old))
  }

  async #allocate(part: BlockPart): Promise<void> {
    const { image, table } = this.#layer
    const { storage, blockSpan, header } = image
    const sector = nextBlockSector(this.#end, header.blockSize)
    const offset = sector * SECTOR_SIZE
    this.#requireRoom(sector, offset + blockSpan)
    // The gap may hold the old end footer, which a whole-block write of the reference leaves behind too.
    const partial = part.bytes.length < header.blockSize
    if (partial && offset > this.#end) await storage.write(Buffer.alloc(offset - this.#end), this.#end)
    await storage.setLength(Math.max(storage.size, offset + blockSpan))
    await storage.write(part.bytes, offset + bitmapBytes(header.blockSize) + part.first * SECTOR_SIZE)
    table.set(part.block, sector)
    this.#end = offset + blockSpan
    this.#new.add(part.block)
    this.#mark(part, Buffer.alloc(bitmapBytes(header.blockSize)))
  }

  #requireRoom(sector: number, end: number): void {
    const { storage } = this.#layer.image
    const full = sector >= BLOCK_UNUSED || (storage.isDevice && end > storage.size - FOOTER_SIZE)
    if (full) throw vhdError('ENOSPC', `${storage.path} has no room for another block`)
  }

  #mark({ block, first, bytes }: BlockPart, bitmap: Buffer): void {
    if (!setBits(bitmap, first, first + bytes.length / SECTOR_SIZE)) return
    this.#layer.dirty.set(block, bitmap)
    if (isFull(bitmap, this.#layer.sectorsPerBlock) && this.#layer.batmap?.setFull(block) === true) {
      this.#batmapChanged = true
    }
  }

  async #writeBitmap(block: number): Promise<void> {
    const bitmap = this.#layer.dirty.get(block)
    if (bitmap !== undefined) await this.#layer.image.storage.write(bitmap, this.#layer.bitmapOffset(block))
  }

  async #writeTable(): Promise<void> {
    const { image, table } = this.#layer
    const sectors = new Map([...this.#new].map(block => [table.sectorOf(block).offset, block]))
    for (const block of sectors.values()) {
      const { offset, bytes } = table.sectorOf(block)
      await image.storage.write(bytes, image.header.tableOffset + offset)
    }
  }
}
