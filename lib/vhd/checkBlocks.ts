import type { Batmap } from './Batmap.ts'
import type { BlockTable } from './BlockTable.ts'
import { vhdError } from './errors.ts'
import { FOOTER_SIZE, SECTOR_SIZE } from './layout.ts'
import { Overlaps } from './Overlaps.ts'
import type { VhdImage } from './VhdImage.ts'
import { VhdError } from './VhdUtil.ts'

/** Every block lies between metadata and footer and on no other (spec vhd 7.7). Throws the first defect as EINVAL. */
export async function checkBlocks(image: VhdImage, allowMissingEndFooter: boolean): Promise<void> {
  const batmap = await readBatmap(image)
  const table = await image.readTable()
  const start = image.endOfMetadata(batmap)
  const end = image.storage.size - (allowMissingEndFooter ? 0 : FOOTER_SIZE)
  const overlapping = new Overlaps(table, image.blockSpan)
  for (const { block, sector } of table.allocated()) {
    const offset = sector * SECTOR_SIZE
    if (offset < start) throw vhdError('EINVAL', `${describe(block, sector)} clobbers headers`)
    if (offset + image.blockSpan > end) throw vhdError('EINVAL', `${describe(block, sector)} clobbers footer`)
    if (overlapping.has(block)) throw overlapError(table, block, image.blockSpan)
  }
}

/** The batmap claims no block that is not there (spec vhd 7.7). */
export async function checkBatmap(image: VhdImage): Promise<void> {
  const batmap = await readBatmap(image)
  if (batmap === undefined) return
  const table = await image.readTable()
  for (let block = 0; block < table.count; block++) {
    if (batmap.isFull(block) && table.get(block) === undefined) {
      throw vhdError('EINVAL', `batmap shows unallocated block ${block} full`)
    }
  }
}

async function readBatmap(image: VhdImage): Promise<Batmap | undefined> {
  try {
    return await image.readBatmap()
  } catch (error) {
    if (!(error instanceof VhdError)) throw error
    throw vhdError(error.code, `error calculating end of metadata: -${error.errno}`, error)
  }
}

function overlapError(table: BlockTable, block: number, span: number): VhdError {
  const sector = table.get(block) ?? 0
  for (const other of table.allocated()) {
    if (other.block !== block && Math.abs(other.sector - sector) * SECTOR_SIZE < span) {
      return vhdError('EINVAL', `${describe(block, sector)} clobbers ${describe(other.block, other.sector)}`)
    }
  }
  return vhdError('EINVAL', `${describe(block, sector)} overlaps another block`)
}

function describe(block: number, sector: number): string {
  return `block ${block} (offset 0x${sector.toString(16)})`
}
