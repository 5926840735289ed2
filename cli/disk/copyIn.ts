import { isZero } from '../../lib/disk/isZero.ts'
import { RangeCursor } from '../../lib/disk/RangeCursor.ts'
import type { WritableDiskImage } from '../../lib/vhd/DiskImage.ts'
import { OperationError } from '../failures.ts'
import { formatSize } from '../format/sizes.ts'

/** Bytes. */
export interface CopyResult {
  readonly read: number
  readonly written: number
}

/**
 * Writes an image to the beginning of a disk. What the disk has already is not written again, so zeroes on a fresh disk
 * take no room and zeroes over data are written. Throws OperationError where the image is larger than the disk.
 */
export async function copyIn(
  disk: WritableDiskImage,
  blocks: AsyncIterable<Buffer>,
  onProgress: (done: number) => void,
): Promise<CopyResult> {
  const used = new RangeCursor(disk.allocatedRanges())
  let read = 0
  let written = 0
  for await (const block of blocks) {
    if (read + block.length > disk.virtualSize) {
      throw new OperationError(`the input is larger than the disk, which has ${formatSize(disk.virtualSize)}`, [
        'Make a larger disk, or grow this one with sm vdi-resize, and import again.',
      ])
    }
    if (await differs(disk, read, { block, isUsed: used.overlaps(read, block.length) })) {
      await disk.write(read, block)
      written += block.length
    }
    read += block.length
    onProgress(read)
  }
  return { read, written }
}

async function differs(
  disk: WritableDiskImage,
  position: number,
  { block, isUsed }: { block: Buffer; isUsed: boolean },
): Promise<boolean> {
  if (!isUsed) return !isZero(block)
  return !block.equals(await disk.read(position, block.length))
}
