import type { ByteRange } from '../vhd/DiskImage.ts'

/** Answers ascending questions about ascending ranges. */
export class RangeCursor {
  readonly #ranges: readonly ByteRange[]
  #next = 0

  constructor(ranges: readonly ByteRange[]) {
    this.#ranges = ranges
  }

  overlaps(position: number, length: number): boolean {
    for (;;) {
      const range = this.#ranges[this.#next]
      if (range === undefined) return false
      if (range.offset + range.length > position) return range.offset < position + length
      this.#next += 1
    }
  }
}
