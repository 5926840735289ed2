import { Batmap, readBatmap } from './Batmap.ts'
import { batmapHeaderOffset } from './header.ts'
import { bitmapBytes, SECTOR_SIZE } from './layout.ts'
import { isFull } from './SectorBitmap.ts'
import type { VhdImage } from './VhdImage.ts'
import { VhdError } from './VhdUtil.ts'

/**
 * Makes the batmap agree with the block bitmaps again where its checksum is wrong: an interruption between its two writes
 * leaves it so, and it holds nothing that the bitmaps do not tell (spec vhd 2.6). Says whether it was.
 * Throws EINVAL for a batmap that is damaged otherwise.
 */
export async function rebuildBatmap(image: VhdImage): Promise<boolean> {
  if (image.isFixed || !image.footer.hasBatmap) return false
  const headerOffset = batmapHeaderOffset(image.header)
  const damaged = await readBatmap(image.storage, headerOffset, image.virtualSize)
  if (damaged.hasGoodChecksum) return false
  const batmap = new Batmap(damaged.header, Buffer.alloc(damaged.bits.length))
  for (const { block, sector } of (await image.readTable()).allocated()) {
    if (await isFullBlock(image, sector)) batmap.setFull(block)
  }
  await image.storage.write(batmap.bits, batmap.header.offset)
  await image.storage.write(batmap.headerBytes(), headerOffset)
  return true
}

/** A block whose bitmap cannot be read is not full: a clear bit is always safe. */
async function isFullBlock(image: VhdImage, sector: number): Promise<boolean> {
  const { blockSize } = image.header
  try {
    const bitmap = await image.storage.read(sector * SECTOR_SIZE, bitmapBytes(blockSize))
    return isFull(bitmap, blockSize / SECTOR_SIZE)
  } catch (error) {
    if (error instanceof VhdError) return false
    throw error
  }
}
