import { BLOCK_UNUSED, SECTOR_SIZE, padToSector, tableBytes } from './layout.ts'
import type { Storage } from './Storage.ts'

const ENTRIES_PER_SECTOR = SECTOR_SIZE / 4
/** Tables of large disks are mostly unused: entries that are skipped with one comparison. */
const UNUSED_RUN = Buffer.alloc(16 * 1024, 0xff)

/** The BAT in memory: for each block the sector of its bitmap, or nothing (spec vhd 2.6). */
export class BlockTable {
  /** Number of blocks in use by the virtual size; the table on disk may be longer. */
  readonly count: number
  readonly #bytes: Buffer

  constructor(bytes: Buffer, count: number) {
    this.#bytes = bytes
    this.count = count
  }

  /** Bytes as on disk: whole sectors. */
  get bytes(): Buffer {
    return this.#bytes
  }

  /** Sector of the block's bitmap, undefined where the block is not allocated here. */
  get(block: number): number | undefined {
    const sector = this.#bytes.readUInt32BE(block * 4)
    return sector === BLOCK_UNUSED ? undefined : sector
  }

  set(block: number, sector: number): void {
    this.#bytes.writeUInt32BE(sector, block * 4)
  }

  *allocated(): IterableIterator<{ readonly block: number; readonly sector: number }> {
    for (let block = 0; block < this.count; block++) {
      if (this.#startsUnusedRun(block)) {
        block += UNUSED_RUN.length / 4 - 1
        continue
      }
      const sector = this.get(block)
      if (sector !== undefined) yield { block, sector }
    }
  }

  allocatedCount(): number {
    const entries = this.allocated()
    let found = 0
    while (entries.next().done !== true) found += 1
    return found
  }

  get isEmpty(): boolean {
    return this.allocated().next().done === true
  }

  #startsUnusedRun(block: number): boolean {
    const start = block * 4
    if (start % UNUSED_RUN.length !== 0 || start + UNUSED_RUN.length > this.count * 4) return false
    return this.#bytes.compare(UNUSED_RUN, 0, UNUSED_RUN.length, start, start + UNUSED_RUN.length) === 0
  }

  /** The sector of the table that holds a block's entry: its index and bytes. */
  sectorOf(block: number): { readonly offset: number; readonly bytes: Buffer } {
    const offset = Math.floor(block / ENTRIES_PER_SECTOR) * SECTOR_SIZE
    return { offset, bytes: this.#bytes.subarray(offset, offset + SECTOR_SIZE) }
  }
}

/** A table of unused entries; the rest of its last sector is zero (spec vhd 2.6). */
export function emptyTable(entries: number): BlockTable {
  const bytes = Buffer.alloc(tableBytes(entries))
  bytes.fill(0xff, 0, entries * 4)
  return new BlockTable(bytes, entries)
}

/** Reads the first `count` entries of the table at `offset`. Throws EIO where the image ends before. */
export async function readTable(storage: Storage, offset: number, count: number): Promise<BlockTable> {
  return new BlockTable(await storage.read(offset, padToSector(count * 4)), count)
}
