import type { BlockTable } from '../lib/vhd/BlockTable.ts'
import { vhdError } from '../lib/vhd/errors.ts'
import type { VhdImage } from '../lib/vhd/VhdImage.ts'

/** The block table as the tool reports it: EINVAL for a fixed disk, which has none (spec vhd 7.3, 7.4). */
export async function readBat(image: VhdImage): Promise<BlockTable> {
  if (image.isFixed) throw vhdError('EINVAL', `${image.path} is a fixed disk`)
  return image.readTable()
}
