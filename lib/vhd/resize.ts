import { dirname } from 'node:path'
import type { Files } from '../os/files.ts'
import type { Batmap } from './Batmap.ts'
import { type BlockTable, readTable } from './BlockTable.ts'
import { vhdError } from './errors.ts'
import { changeFooter } from './footer.ts'
import { endFooterOffset, writeFooters } from './footers.ts'
import { applyGrowth, type Growth, planGrowth, type ResizePoint } from './growth.ts'
import { batmapHeaderOffset } from './header.ts'
import {
  BATMAP_UNIT,
  batmapCoverage,
  DEFAULT_BLOCK_SIZE,
  FOOTER_SIZE,
  MAX_VIRTUAL_SIZE,
  roundToBlock,
} from './layout.ts'
import { headerOffset } from './modify.ts'
import { createJournal, ENTRY, type JournalEntry, type ResizeJournal } from './ResizeJournal.ts'
import { usingVhd, type VhdImage } from './VhdImage.ts'

export interface ResizeOptions {
  /** Path of the journal: a file that does not exist, or a block device, whose content is lost. */
  readonly journal: string
  /** Called between the steps, so that a test can stop there. */
  readonly at?: (point: ResizePoint) => void
}

/**
 * Grows the virtual size to `requested` bytes, rounded up to 2 MiB (spec vhd 7.9, 9). Where the tables have room only
 * the footers change, else the journal lets `revertResizeOf` go back from an interruption at any point.
 * Throws ENOSYS for a smaller size, EINVAL for a fixed or foreign disk, EEXIST where the journal exists.
 */
export async function resizeDisk(files: Files, file: string, requested: number, options: ResizeOptions): Promise<void> {
  await usingVhd(files, file, { write: true }, async image => {
    if (requested === image.virtualSize) return
    const size = requireGrowth(image, roundToBlock(requested))
    if (size === image.virtualSize) return
    const table = await readUnusedTail(image)
    const batmap = await requireBatmap(image)
    if (size / image.header.blockSize <= image.header.maxEntries && batmap.header.reserved >= batmapCoverage(size)) {
      await writeSize(image, size)
    } else {
      await growWithJournal(files, { image, table, batmap, size }, options)
    }
  })
}

/**
 * Grows the virtual size within the tables: only the footers change (spec vhd 7.9 `-f`). `size` is whole blocks.
 * Throws EINVAL where the tables have no room or cannot be trusted.
 */
export async function growInPlace(image: VhdImage, size: number): Promise<void> {
  requireGrowth(image, size)
  await readUnusedTail(image)
  const batmap = await requireBatmap(image)
  const { blockSize, maxEntries } = image.header
  if (size / blockSize > maxEntries || batmap.header.reserved < batmapCoverage(size)) {
    throw vhdError('EINVAL', `${image.path} has no room in its tables for ${size} bytes`)
  }
  await writeSize(image, size)
}

/** The virtual size up to which `growInPlace` goes, bytes. A disk that cannot grow has its own size as limit. */
export async function sizeLimitOf(image: VhdImage): Promise<number> {
  const batmap = await image.readBatmap()
  if (batmap === undefined) return image.virtualSize
  const { header } = image
  return Math.min(header.maxEntries * header.blockSize, batmap.header.reserved * BATMAP_UNIT)
}

function requireGrowth(image: VhdImage, size: number): number {
  if (image.isFixed || !image.footer.hasBatmap) throw vhdError('EINVAL', `${image.path} cannot be resized`)
  if (image.header.blockSize !== DEFAULT_BLOCK_SIZE) throw vhdError('EINVAL', `${image.path}: foreign block size`)
  if (size < image.virtualSize) throw vhdError('ENOSYS', `${image.path}: shrinking is not supported`)
  if (size > MAX_VIRTUAL_SIZE) throw vhdError('EINVAL', `size ${size} is too large`)
  return size
}

/** The whole table. Growing exposes the entries behind the last block: they must say "not allocated". */
async function readUnusedTail(image: VhdImage): Promise<BlockTable> {
  const table = await readTable(image.storage, image.header.tableOffset, image.header.maxEntries)
  for (let block = image.blockCount; block < table.count; block++) {
    if (table.get(block) !== undefined) throw vhdError('EINVAL', `${image.path}: block ${block} past the end is in use`)
  }
  return table
}

async function requireBatmap(image: VhdImage): Promise<Batmap> {
  const batmap = await image.readBatmap()
  if (batmap === undefined) throw vhdError('EINVAL', `${image.path} has no batmap`)
  return batmap
}

async function writeSize(image: VhdImage, size: number): Promise<void> {
  const end = await endFooterOffset(image)
  await writeFooters(image, changeFooter(image.footer, { currentSize: size }), end)
  await image.storage.sync()
}

async function growWithJournal(files: Files, growth: Growth, { journal: path, at }: ResizeOptions): Promise<void> {
  const { image } = growth
  const plan = planGrowth(growth)
  const end = await endFooterOffset(image)
  const journal = await startJournal(files, growth, { path, end })
  try {
    await writeFooters(image, changeFooter(image.footer, { poisoned: true }), end)
    await image.storage.sync()
    at?.('RESIZE_BEGIN')
    await applyGrowth(growth, plan, { journal, at })
    await image.storage.sync()
    at?.('RESIZE_END')
    await journal.commit()
    await writeFooters(image, changeFooter(image.footer, { poisoned: false }), await endFooterOffset(image))
    await image.storage.sync()
  } finally {
    await journal.close()
  }
  if (!journal.isDevice) await files.unlink(path)
}

/** The journal with all metadata, durable by content and name; removed where it could not be finished. */
async function startJournal(
  files: Files,
  growth: Growth,
  { path: journalPath, end }: { readonly path: string; readonly end: number },
): Promise<ResizeJournal> {
  const journal = await createJournal(files, journalPath, { uuid: growth.image.footer.uuid, footerOffset: end })
  try {
    for await (const entry of metadataEntries(growth, end)) await journal.append(entry)
    await journal.sync()
    if (!journal.isDevice) await files.syncDirectory(dirname(journalPath))
    return journal
  } catch (error) {
    await journal.close()
    if (!journal.isDevice) await files.unlinkIfPresent(journalPath)
    throw error
  }
}

async function* metadataEntries({ image, table, batmap }: Growth, end: number): AsyncIterableIterator<JournalEntry> {
  const { storage, header, footer } = image
  yield { type: ENTRY.endFooter, offset: end, bytes: footer.raw }
  yield { type: ENTRY.footerCopy, offset: 0, bytes: footer.raw.subarray(0, FOOTER_SIZE) }
  yield { type: ENTRY.header, offset: headerOffset(image), bytes: header.raw }
  for (const { offset, space } of header.locators) {
    if (space > 0) yield { type: ENTRY.locator, offset, bytes: await storage.read(offset, space) }
  }
  yield { type: ENTRY.table, offset: header.tableOffset, bytes: table.bytes }
  yield { type: ENTRY.batmapHeader, offset: batmapHeaderOffset(header), bytes: batmap.header.raw }
  const { offset, reserved } = batmap.header
  yield { type: ENTRY.batmap, offset, bytes: await storage.read(offset, reserved) }
}
