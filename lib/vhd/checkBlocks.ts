import type { Batmap } from './Batmap.ts'
import type { BlockTable } from './BlockTable.ts'
import { vhdError } from './errors.ts'
import { bitmapBytes, FOOTER_SIZE, SECTOR_SIZE } from './layout.ts'
import { Overlaps } from './Overlaps.ts'
import { bitRuns } from './SectorBitmap.ts'
import type { VhdImage } from './VhdImage.ts'
import { VhdError } from './VhdUtil.ts'

export interface BlockCheckOptions {
  readonly allowMissingEndFooter?: boolean
  readonly allowOverlap?: boolean
  readonly checkUnusedSectors?: boolean
}

/** Every block lies between metadata and footer and on no other (spec vhd 7.7). Throws the first defect as EINVAL. */
export async function checkBlocks(image: VhdImage, options: BlockCheckOptions): Promise<void> {
  const start = image.endOfMetadata(await readBatmap(image))
  requireTableForSize(image)
  const table = await image.readTable()
  const end = image.storage.size - (options.allowMissingEndFooter === true ? 0 : FOOTER_SIZE)
  const overlapping = options.allowOverlap === true ? undefined : new Overlaps(table, image.blockSpan)
  for (const { block, sector } of table.allocated()) {
    const offset = sector * SECTOR_SIZE
    if (offset < start) throw vhdError('EINVAL', `${describe(block, sector)} clobbers headers`)
    if (offset + image.blockSpan > end) throw vhdError('EINVAL', `${describe(block, sector)} clobbers footer`)
    if (overlapping?.has(block) === true) throw overlapError(table, block, image.blockSpan)
    if (options.checkUnusedSectors === true) await requireUnusedZero(image, block, sector)
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

function requireTableForSize({ blockCount, header }: VhdImage): void {
  if (blockCount <= header.maxEntries) return
  throw vhdError('EINVAL', `VHD size (${blockCount} blocks) exceeds BAT size (${header.maxEntries})`)
}

/** Sectors that the bitmap does not claim are as the zero-fill of the block left them (spec vhd 2.7). */
async function requireUnusedZero(image: VhdImage, block: number, sector: number): Promise<void> {
  const { storage, header } = image
  const offset = sector * SECTOR_SIZE
  const bitmap = await storage.read(offset, bitmapBytes(header.blockSize))
  const data = await storage.read(
    offset + bitmap.length,
    Math.min(header.blockSize, storage.size - offset - bitmap.length),
  )
  for (const run of bitRuns(bitmap, 0, header.blockSize / SECTOR_SIZE)) {
    const bytes = data.subarray(run.first * SECTOR_SIZE, run.end * SECTOR_SIZE)
    if (!run.present && !isZero(bytes)) {
      throw vhdError('EINVAL', `${describe(block, sector)} has data under clear bits from sector ${run.first} on`)
    }
  }
}

function isZero(bytes: Buffer): boolean {
  return bytes.equals(Buffer.alloc(bytes.length))
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
