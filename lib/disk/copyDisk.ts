import type { DiskImage, WritableDiskImage } from '../vhd/DiskImage.ts'
import { isZero } from './isZero.ts'
import { RangeCursor } from './RangeCursor.ts'

/** Bytes that are copied at a time: one block of a VHD. */
const copyBlock = 2 * 1024 * 1024

/**
 * Makes the beginning of `target` read as `source`, and durable. What neither disk holds data for is passed over, and
 * zeroes are written only over data, so the copy takes no more room than it must.
 */
export async function copyDisk(source: DiskImage, target: WritableDiskImage): Promise<void> {
  const there = new RangeCursor(source.allocatedRanges())
  const here = new RangeCursor(target.allocatedRanges())
  for (let position = 0; position < source.virtualSize; position += copyBlock) {
    const length = Math.min(copyBlock, source.virtualSize - position)
    const isUsed = here.overlaps(position, length)
    const bytes = there.overlaps(position, length) ? await source.read(position, length) : undefined
    if (bytes !== undefined && !isZero(bytes)) await target.write(position, bytes)
    else if (isUsed) await target.writeZeroes(position, length)
  }
  await target.flush()
}
