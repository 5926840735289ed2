import type { BlockTable } from './BlockTable.ts'
import { SECTOR_SIZE } from './layout.ts'

/** Which blocks share a byte with another one. Takes four bytes for each allocated block, however many a header claims. */
export class Overlaps {
  readonly #table: BlockTable
  /** Bytes of one block with its bitmap. */
  readonly #span: number
  /** Equal lengths, so only neighbours on the disk can overlap. */
  readonly #sorted: Uint32Array

  constructor(table: BlockTable, span: number) {
    this.#table = table
    this.#span = span
    this.#sorted = new Uint32Array(table.allocatedCount())
    let next = 0
    for (const { sector } of table.allocated()) this.#sorted[next++] = sector
    this.#sorted.sort()
  }

  has(block: number): boolean {
    const sector = this.#table.get(block)
    if (sector === undefined) return false
    const at = this.#lowerBound(sector)
    return this.#touches(at - 1, sector) || this.#touches(at + 1, sector)
  }

  /** The lowest block that overlaps another one. */
  first(): number | undefined {
    if (!this.#sorted.some((sector, index) => index > 0 && this.#touches(index - 1, sector))) return undefined
    for (const { block } of this.#table.allocated()) if (this.has(block)) return block
    return undefined
  }

  #touches(index: number, sector: number): boolean {
    const other = this.#sorted[index]
    return other !== undefined && Math.abs(other - sector) * SECTOR_SIZE < this.#span
  }

  /** Index of the first entry that is not below `sector`. */
  #lowerBound(sector: number): number {
    let low = 0
    let high = this.#sorted.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#sorted[middle] ?? 0) < sector) low = middle + 1
      else high = middle
    }
    return low
  }
}
