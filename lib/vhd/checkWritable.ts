import { vhdError } from './errors.ts'
import { bitmapBytes, SECTOR_SIZE } from './layout.ts'
import { Overlaps } from './Overlaps.ts'
import type { VhdLayer } from './VhdLayer.ts'

/** Throws EROFS for a hidden disk and EINVAL as `checkTables` (spec datapath 14.2). */
export function checkWritable(layer: VhdLayer): void {
  const { footer, path } = layer.image
  if (footer.hidden !== 0) throw vhdError('EROFS', `${path} is hidden: others may depend on it`)
  checkTables(layer)
}

/** Throws EINVAL for a disk whose tables would lead writes astray. */
export function checkTables({ image, table, batmap }: VhdLayer): void {
  if (image.footer.hasBatmap && batmap === undefined) throw vhdError('EINVAL', `${image.path}: invalid batmap`)
  const start = image.endOfMetadata(batmap)
  const bitmapLength = bitmapBytes(image.header.blockSize)
  for (const { block, sector } of table.allocated()) {
    const offset = sector * SECTOR_SIZE
    if (offset < start || offset + bitmapLength > image.storage.size) {
      throw vhdError('EINVAL', `${image.path}: block ${block} lies outside the data`)
    }
  }
  const overlapping = new Overlaps(table, image.blockSpan).first()
  if (overlapping !== undefined) throw vhdError('EINVAL', `${image.path}: block ${overlapping} overlaps another one`)
}
