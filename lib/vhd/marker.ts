import { readBatmapHeader, withMarker } from './Batmap.ts'
import { vhdError } from './errors.ts'
import { batmapHeaderOffset } from './header.ts'
import type { VhdImage } from './VhdImage.ts'

/** The marker byte of a disk; 0 for a disk that has no batmap, where the marker lives (spec vhd 2.6). */
export async function readMarker(image: VhdImage): Promise<number> {
  if (image.isFixed || !image.footer.hasBatmap) return 0
  return (await readBatmapHeader(image.storage, batmapHeaderOffset(image.header))).marker
}

/** Sets the marker and nothing else. Throws ENOSYS for a disk without a batmap. */
export async function writeMarker(image: VhdImage, marker: number): Promise<void> {
  if (image.isFixed || !image.footer.hasBatmap) throw vhdError('ENOSYS', `${image.path} has no place for a marker`)
  const offset = batmapHeaderOffset(image.header)
  const header = await readBatmapHeader(image.storage, offset)
  await image.storage.write(withMarker(header, marker).raw, offset)
  await image.storage.sync()
}
