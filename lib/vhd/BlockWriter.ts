import type { Batmap } from './Batmap.ts'
import { vhdError } from './errors.ts'
import { writeFooters } from './footers.ts'
import { Gate } from './Gate.ts'
import { batmapHeaderOffset } from './header.ts'
import { bitmapBytes, BLOCK_UNUSED, FOOTER_SIZE, nextBlockSector, SECTOR_SIZE } from './layout.ts'
import { inParallel } from './parallel.ts'
import { bytesPayload, type Payload } from './Payload.ts'
import { isEmpty, isFull, setBits } from './SectorBitmap.ts'
import type { VhdImage } from './VhdImage.ts'
import type { VhdLayer } from './VhdLayer.ts'

interface BlockPart {
  readonly block: number
  /** First sector within the block. */
  readonly first: number
  readonly payload: Payload
}

/** Blocks that one call works on at a time. */
const PARALLEL_BLOCKS = 4

/**
 * Puts sectors into one disk's blocks. On stable storage a table entry points only to a bitmap that is valid, and a
 * bit is set only where its data is (spec datapath 14.2). Data goes to the file at once and beside other data; what
 * refers to it changes in memory when it is there and on disk when it is durable. New blocks follow the order of calls.
 */
export class BlockWriter {
  readonly #layer: VhdLayer
  /** Writes pass, flushes are alone: what a flush makes durable does not change meanwhile. */
  readonly #gate = new Gate()
  /** Blocks whose table entry is not on disk yet. */
  readonly #new = new Set<number>()
  /** Parts being written, by block. */
  readonly #inFlight = new Map<number, number>()
  #nextFlush: Promise<void> | undefined
  #end: number
  #batmapChanged: boolean
  #unsynced = false
  #changed: boolean

  constructor(layer: VhdLayer) {
    this.#layer = layer
    // A crash took the end footer: whoever opens the disk for writing next puts it back.
    this.#changed = layer.image.footerUsed !== 'end'
    this.#end = layer.image.endOfData(layer.table, layer.batmap)
    this.#batmapChanged = layer.mendsBatmap
  }

  /** Bitmaps that wait for a flush. */
  get pending(): number {
    return this.#layer.dirty.size
  }

  /** Writes whole sectors from `sector` on. */
  async write(sector: number, bytes: Buffer): Promise<void> {
    await this.put(sector, bytesPayload(bytes))
  }

  /**
   * Puts whole sectors from `sector` on. A failed call leaves earlier content as it was or as put, sector by sector.
   * Two calls at the same time must not overlap.
   */
  async put(sector: number, payload: Payload): Promise<void> {
    await this.#gate.pass(() => inParallel(this.#parts(sector, payload), PARALLEL_BLOCKS, part => this.#putPart(part)))
  }

  /** Gives the room of the sectors `[first, end)` back where this disk holds them: they read as zeroes or as before. */
  async discard(first: number, end: number): Promise<void> {
    await this.#gate.pass(async () => {
      for (const run of await this.#layer.locate(first, end)) {
        if (run.position === undefined) continue
        this.#unsynced = true
        await this.#layer.storage.punchHole(run.position, (run.end - run.first) * SECTOR_SIZE)
      }
    })
  }

  /** Makes everything durable that was written by calls that have returned: data and new bitmaps first, then what refers to them. */
  async flush(): Promise<void> {
    this.#nextFlush ??= this.#gate.alone(() => {
      this.#nextFlush = undefined
      return this.#flush()
    })
    await this.#nextFlush
  }

  /** Flushes, then writes batmap and footers if anything was written or the batmap was found broken. */
  async finish(): Promise<void> {
    await this.#gate.alone(async () => {
      await this.#flush()
      if (this.#changed || this.#batmapChanged) await this.#writeTail()
      this.#changed = false
      this.#batmapChanged = false
    })
  }

  *#parts(sector: number, payload: Payload): IterableIterator<BlockPart> {
    const { sectorsPerBlock } = this.#layer
    let done = 0
    while (done < payload.length) {
      const at = sector + done / SECTOR_SIZE
      const first = at % sectorsPerBlock
      const length = Math.min(payload.length - done, (sectorsPerBlock - first) * SECTOR_SIZE)
      yield { block: Math.floor(at / sectorsPerBlock), first, payload: payload.part(done, length) }
      done += length
    }
  }

  async #putPart(part: BlockPart): Promise<void> {
    const { block, first, payload } = part
    this.#changed = true
    this.#unsynced = true
    const gap = this.#layer.table.get(block) === undefined ? this.#allocate(part) : undefined
    this.#inFlight.set(block, (this.#inFlight.get(block) ?? 0) + 1)
    let failed = true
    try {
      const bitmap = await this.#bitmapToChange(block)
      if (gap !== undefined) await this.#layer.storage.write(Buffer.alloc(gap.length), gap.position)
      await payload.put(this.#layer.storage, this.#layer.dataOffset(block) + first * SECTOR_SIZE)
      if (bitmap !== undefined) this.#mark(part, bitmap)
      failed = false
    } finally {
      this.#leave(block, failed)
    }
  }

  /**
   * Reserves room for a block; in memory it belongs to the disk from now on, with no sector present. Returns the gap
   * before it where that has to be cleared: it may hold the old end footer, which a whole-block write of the reference
   * leaves behind too.
   */
  #allocate({ block, payload }: BlockPart): { readonly position: number; readonly length: number } | undefined {
    const { image, table, dirty } = this.#layer
    const { blockSize } = image.header
    const sector = nextBlockSector(this.#end, blockSize)
    const offset = sector * SECTOR_SIZE
    this.#requireRoom(sector, offset + image.blockSpan)
    const gap = { position: this.#end, length: offset - this.#end }
    table.set(block, sector)
    dirty.set(block, Buffer.alloc(bitmapBytes(blockSize)))
    this.#new.add(block)
    this.#end = offset + image.blockSpan
    return payload.length < blockSize && gap.length > 0 ? gap : undefined
  }

  #requireRoom(sector: number, end: number): void {
    const { storage } = this.#layer
    const full = sector >= BLOCK_UNUSED || (storage.isDevice && end > storage.size - FOOTER_SIZE)
    if (full) throw vhdError('ENOSPC', `${storage.path} has no room for another block`)
  }

  /** Undefined for a block that is full: no bit of it can change. */
  async #bitmapToChange(block: number): Promise<Buffer | undefined> {
    return this.#layer.batmap?.isFull(block) === true ? undefined : this.#layer.bitmap(block)
  }

  /** `known` is the bitmap as it was before the data was written; others may have changed it since. */
  #mark({ block, first, payload }: BlockPart, known: Buffer): void {
    const { dirty, batmap, sectorsPerBlock } = this.#layer
    const bitmap = dirty.get(block) ?? Buffer.from(known)
    if (!setBits(bitmap, first, first + payload.length / SECTOR_SIZE)) return
    dirty.set(block, bitmap)
    if (isFull(bitmap, sectorsPerBlock) && batmap?.setFull(block) === true) this.#batmapChanged = true
  }

  #leave(block: number, failed: boolean): void {
    const left = (this.#inFlight.get(block) ?? 1) - 1
    if (left > 0) this.#inFlight.set(block, left)
    else this.#inFlight.delete(block)
    if (failed && left === 0) this.#releaseIfUnused(block)
  }

  /** A new block that nothing could be written to is taken back, so that a full disk can still be flushed. */
  #releaseIfUnused(block: number): void {
    const { image, table, dirty, sectorsPerBlock } = this.#layer
    const bitmap = dirty.get(block)
    if (!this.#new.has(block) || bitmap === undefined || !isEmpty(bitmap, sectorsPerBlock)) return
    const offset = this.#layer.bitmapOffset(block)
    if (offset + image.blockSpan === this.#end) this.#end = offset
    table.set(block, BLOCK_UNUSED)
    dirty.delete(block)
    this.#new.delete(block)
  }

  async #flush(): Promise<void> {
    if (!this.#unsynced) return
    const { storage, dirty } = this.#layer
    // A file that ends within a block would be cut short for other readers.
    if (this.#new.size > 0) await storage.setLength(Math.max(storage.size, this.#end))
    for (const block of this.#new) await this.#writeBitmap(block)
    await storage.sync()
    if (this.pending > 0) {
      await this.#writeTable()
      for (const block of dirty.keys()) if (!this.#new.has(block)) await this.#writeBitmap(block)
      await storage.sync()
    }
    for (const [block, bitmap] of [...dirty]) this.#layer.keep(block, bitmap)
    this.#new.clear()
    this.#unsynced = false
  }

  async #writeBitmap(block: number): Promise<void> {
    const bitmap = this.#layer.dirty.get(block)
    if (bitmap !== undefined) await this.#layer.storage.write(bitmap, this.#layer.bitmapOffset(block))
  }

  async #writeTable(): Promise<void> {
    const { image, table } = this.#layer
    const sectors = new Map([...this.#new].map(block => [table.sectorOf(block).offset, block]))
    for (const block of sectors.values()) {
      const { offset, bytes } = table.sectorOf(block)
      await image.storage.write(bytes, image.header.tableOffset + offset)
    }
  }

  async #writeTail(): Promise<void> {
    const { image, table, batmap } = this.#layer
    if (batmap !== undefined && this.#batmapChanged) await writeBatmap(image, batmap)
    const end = image.storage.isDevice ? image.storage.size - FOOTER_SIZE : image.endOfData(table, batmap)
    await writeFooters(image, image.footer, end)
    await image.storage.sync()
  }
}

/** With the bits right behind the header, as the reference has them, one write changes both and a kill tears nothing. */
async function writeBatmap({ storage, header }: VhdImage, batmap: Batmap): Promise<void> {
  const headerOffset = batmapHeaderOffset(header)
  if (batmap.header.offset === headerOffset + SECTOR_SIZE) {
    return storage.write(Buffer.concat([batmap.headerBytes(), batmap.bits]), headerOffset)
  }
  await storage.write(batmap.bits, batmap.header.offset)
  await storage.write(batmap.headerBytes(), headerOffset)
}
