import { vhdError } from './errors.ts'

/** Bytes of the guest's disk. */
export interface ByteRange {
  readonly offset: number
  readonly length: number
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
  close(): Promise<void>
}

export interface WritableDiskImage extends DiskImage {
  /** Durable after the next `flush` or `close`. Throws ERANGE past the end, ENOSPC where the storage is full. */
  write(position: number, bytes: Buffer): Promise<void>
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
