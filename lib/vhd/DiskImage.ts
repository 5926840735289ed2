import { vhdError } from './errors.ts'

/** Bytes of the guest's disk. */
export interface ByteRange {
  readonly offset: number
  readonly length: number
}

/**
 * What a part of a disk is: `data` that some image holds; `zero`, which an image holds as a hole of its file; `hole`,
 * which no image holds. The last two read as zeroes.
 */
export interface StatusRange extends ByteRange {
  readonly kind: 'data' | 'zero' | 'hole'
}

/** A guest's disk as it is read, whatever files it is made of. Offsets and lengths are bytes of the guest's disk. */
export interface DiskImage {
  readonly virtualSize: number
  /** Files from leaf to root. */
  readonly images: readonly string[]
  /** Throws ERANGE past the end, EIO where a file lacks what it claims to hold. */
  read(position: number, length: number): Promise<Buffer>
  /** Where data may be, ascending and not touching; everything else reads as zeroes. */
  allocatedRanges(): ByteRange[]
  /** What the parts of a range are, ascending, without gaps, neighbours of different kinds. Throws ERANGE past the end. */
  status(position: number, length: number): AsyncIterable<StatusRange>
  close(): Promise<void>
}

/** Calls may overlap in time. Of two changes of the same bytes the later call wins, and reads see either. */
export interface WritableDiskImage extends DiskImage {
  /** Durable after the next `flush` or `close`. Throws ERANGE past the end, ENOSPC where the storage is full. */
  write(position: number, bytes: Buffer): Promise<void>
  /**
   * Makes a range read as zeroes, whatever lies below. With `allocate` it gets room of its own as if zeroes were written.
   * Otherwise as `write`.
   */
  writeZeroes(position: number, length: number, options?: { readonly allocate?: boolean }): Promise<void>
  /** The guest needs this range no more: room may be given back. Every sector reads as before or as zeroes. */
  trim(position: number, length: number): Promise<void>
  /** Makes durable what was written by calls that have returned. */
  flush(): Promise<void>
}

/** Throws ERANGE unless the range lies on the disk. */
export function requireRange(image: Pick<DiskImage, 'virtualSize' | 'images'>, position: number, length: number): void {
  const valid = Number.isSafeInteger(position) && Number.isSafeInteger(length) && position >= 0 && length >= 0
  if (valid && position + length <= image.virtualSize) return
  throw vhdError('ERANGE', `${image.images[0] ?? 'image'}: ${position}+${length} exceeds ${image.virtualSize} bytes`)
}

/** Merges ranges into ascending ones that do not touch, cut at `end`. */
export function mergeRanges(ranges: readonly ByteRange[], end: number): ByteRange[] {
  const merged: { offset: number; length: number }[] = []
  for (const { offset, length } of [...ranges].sort((a, b) => a.offset - b.offset)) {
    const stop = Math.min(offset + length, end)
    const last = merged.at(-1)
    if (last !== undefined && offset <= last.offset + last.length) {
      last.length = Math.max(last.length, stop - last.offset)
    } else if (stop > offset) {
      merged.push({ offset, length: stop - offset })
    }
  }
  return merged
}

/** Joins neighbours of one kind. */
export async function* joinStatus(ranges: AsyncIterable<StatusRange>): AsyncIterableIterator<StatusRange> {
  let last: StatusRange | undefined
  for await (const range of ranges) {
    if (last?.kind === range.kind) {
      last = { ...last, length: last.length + range.length }
    } else {
      if (last !== undefined) yield last
      last = range
    }
  }
  if (last !== undefined) yield last
}
