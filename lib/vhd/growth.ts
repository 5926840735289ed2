import { Batmap, moveBatmapHeader } from './Batmap.ts'
import { type BlockTable, emptyTable } from './BlockTable.ts'
import { vhdError } from './errors.ts'
import { changeFooter } from './footer.ts'
import { writeFooters } from './footers.ts'
import { batmapHeaderOffset, changeHeader, type Locator } from './header.ts'
import { bitmapBytes, FOOTER_SIZE, nextBlockSector, padToSector, SECTOR_SIZE, tableBytes } from './layout.ts'
import { headerOffset } from './modify.ts'
import { ENTRY, type ResizeJournal } from './ResizeJournal.ts'
import type { VhdImage } from './VhdImage.ts'

export interface Growth {
  readonly image: VhdImage
  /** All entries the disk has room for. */
  readonly table: BlockTable
  readonly batmap: Batmap
  /** New virtual size, bytes, whole blocks. */
  readonly size: number
}

/** Where a growth can be stopped by a test (spec vhd 9.4). */
export type ResizePoint = 'RESIZE_BEGIN' | 'RESIZE_DATA_MOVED' | 'RESIZE_METADATA_MOVED' | 'RESIZE_END'

/** By how much the tables of a disk grow. Sizes in bytes. */
export interface GrowthPlan {
  readonly newEntries: number
  readonly extraTable: number
  readonly extraBatmap: number
  /** Everything before this belongs to the metadata afterwards. */
  readonly newEndOfMetadata: number
}

/** Throws EINVAL for a disk whose parts do not lie as the reference lays them. */
export function planGrowth({ image, batmap, size }: Growth): GrowthPlan {
  const { header } = image
  const newEntries = size / header.blockSize
  const added = newEntries - header.maxEntries
  const slack = batmap.header.reserved - Math.ceil(header.maxEntries / 8)
  const missing = Math.floor(added / 8) + 1 - slack
  const extraTable = tableBytes(newEntries) - tableBytes(header.maxEntries)
  const extraBatmap = missing > 0 ? padToSector(missing) : 0
  const endOfBatmap = batmap.header.offset + batmap.header.reserved
  if (header.locators.some(({ space, offset }) => space > 0 && offset < endOfBatmap)) {
    throw vhdError('EINVAL', `${image.path}: a parent locator lies before the end of the batmap`)
  }
  return {
    newEntries,
    extraTable,
    extraBatmap,
    newEndOfMetadata: image.endOfMetadata(batmap) + extraTable + extraBatmap,
  }
}

/** Moves blocks out of the way, then the metadata to its new places; the disk stays poisoned (spec vhd 9.3). */
export async function applyGrowth(
  growth: Growth,
  plan: GrowthPlan,
  { journal, at }: { readonly journal: ResizeJournal; readonly at?: ((point: ResizePoint) => void) | undefined },
): Promise<void> {
  const { image } = growth
  const end = await moveBlocks(growth, plan, journal)
  at?.('RESIZE_DATA_MOVED')
  const moved = await moveLocators(image, plan.extraTable + plan.extraBatmap)
  at?.('RESIZE_METADATA_MOVED')
  await writeTables(growth, plan, moved)
  const used = Math.max(end, plan.newEndOfMetadata)
  const footer = changeFooter(image.footer, { currentSize: growth.size })
  await writeFooters(image, footer, image.storage.isDevice ? image.storage.size - FOOTER_SIZE : used)
}

/** Returns the end of data afterwards, bytes. */
async function moveBlocks({ image, table, batmap }: Growth, plan: GrowthPlan, journal: ResizeJournal): Promise<number> {
  const blocks = [...table.allocated()].sort((a, b) => a.sector - b.sector)
  let end = image.endOfData(table, batmap)
  for (const { block, sector } of blocks) {
    if (sector * SECTOR_SIZE >= plan.newEndOfMetadata) break
    const target = nextBlockSector(Math.max(end, plan.newEndOfMetadata), image.header.blockSize)
    await moveBlock(image, { from: sector * SECTOR_SIZE, to: target * SECTOR_SIZE, end }, journal)
    table.set(block, target)
    end = target * SECTOR_SIZE + image.blockSpan
  }
  return end
}

interface Move {
  readonly from: number
  readonly to: number
  /** End of data before the move: the gap up to the new place is cleared. */
  readonly end: number
}

async function moveBlock(image: VhdImage, { from, to, end }: Move, journal: ResizeJournal): Promise<void> {
  const { storage } = image
  const bitmapLength = bitmapBytes(image.header.blockSize)
  const bitmap = await storage.read(from, bitmapLength)
  const data = await storage.read(from + bitmapLength, image.header.blockSize)
  await journal.append({ type: ENTRY.data, offset: from, bytes: bitmap })
  await journal.append({ type: ENTRY.data, offset: from + bitmapLength, bytes: data })
  await journal.sync()
  if (to > end) await storage.write(Buffer.alloc(to - end), end)
  await storage.write(Buffer.concat([bitmap, data]), to)
  await storage.write(Buffer.alloc(image.blockSpan), from)
}

async function writeTables({ image, table, batmap }: Growth, plan: GrowthPlan, moved: Locator[]): Promise<void> {
  const { storage } = image
  const { offset, reserved } = batmap.header
  const bits = Buffer.concat([await storage.read(offset, reserved)], reserved + plan.extraBatmap)
  const newBatmapHeader = moveBatmapHeader(batmap.header, offset + plan.extraTable, reserved + plan.extraBatmap)
  const header = changeHeader(image.header, {
    maxEntries: plan.newEntries,
    locators: moved,
  })
  await storage.write(header.raw, headerOffset(image))
  image.header = header
  await storage.write(grownTable(table, plan.newEntries).bytes, header.tableOffset)
  await storage.write(bits, newBatmapHeader.offset)
  await storage.write(new Batmap(newBatmapHeader, batmap.bits).headerBytes(), batmapHeaderOffset(header))
}

/** Copies the locators behind the grown tables; all are read before the first is written, for the places may overlap. */
async function moveLocators({ header, storage }: VhdImage, by: number): Promise<Locator[]> {
  const moved: { locator: Locator; bytes: Buffer }[] = []
  for (const locator of header.locators) {
    const bytes = await storage.read(locator.offset, locator.space)
    moved.push({ locator: { ...locator, offset: locator.offset + by }, bytes })
  }
  for (const { locator, bytes } of moved) await storage.write(bytes, locator.offset)
  return moved.map(({ locator }) => locator)
}

function grownTable(old: BlockTable, entries: number): BlockTable {
  const table = emptyTable(entries)
  for (const { block, sector } of old.allocated()) table.set(block, sector)
  return table
}
