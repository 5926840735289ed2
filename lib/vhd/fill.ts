import type { Files } from '../os/files.ts'
import { BlockWriter } from './BlockWriter.ts'
import { checkTables } from './checkWritable.ts'
import { asVhdError, vhdError } from './errors.ts'
import { endFooterOffset, writeFooters } from './footers.ts'
import { batmapHeaderOffset } from './header.ts'
import { bitmapBytes, BLOCK_UNUSED, FOOTER_SIZE, nextBlockSector, SECTOR_SIZE } from './layout.ts'
import { VhdChain } from './VhdChain.ts'
import { usingVhd } from './VhdImage.ts'
import { readLayer, type VhdLayer } from './VhdLayer.ts'

/** Changes of tables that may wait for a flush. */
const MAX_PENDING = 16

/**
 * Allocates every block of a disk and fills it with what the chain reads there: the content does not change
 * (spec vhd 7.12). Durable when this returns. Throws EINVAL for a fixed or damaged disk, ENOSPC, and as `VhdChain.open`.
 */
export async function fillDisk(files: Files, path: string): Promise<void> {
  const chain = await VhdChain.open(files, path, { write: true })
  try {
    const { leaf } = chain
    if (leaf === undefined) throw vhdError('EINVAL', `${path} is a fixed disk`)
    checkTables(leaf)
    await asVhdError(path, () => fillBlocks(chain, leaf))
  } finally {
    await chain.close()
  }
}

async function fillBlocks(chain: VhdChain, leaf: VhdLayer): Promise<void> {
  const writer = new BlockWriter(leaf)
  const { blockSize } = leaf.image.header
  for (let block = 0; block < leaf.table.count; block++) {
    if (leaf.batmap?.isFull(block) === true) continue
    const at = block * blockSize
    const bytes = await chain.read(at, Math.min(blockSize, chain.virtualSize - at))
    await writer.write(at / SECTOR_SIZE, bytes)
    if (writer.pending >= MAX_PENDING) await writer.flush()
  }
  await writer.finish()
}

/** Blocks by index; `end` is not included. */
export interface BlockRange {
  readonly first: number
  readonly end: number
}

/**
 * Allocates the blocks of a range that are not, all their sectors marked as present and none written: what the storage
 * held there becomes the content (spec vhd 7.12 `-b`). Blocks that are allocated stay as they are. Throws ERANGE, ENOSPC.
 */
export async function allocateBlocks(files: Files, path: string, range: Partial<BlockRange>): Promise<void> {
  await asVhdError(path, () =>
    usingVhd(files, path, { write: true }, async image => {
      const layer = await readLayer(image)
      checkTables(layer)
      const { first = 0, end = layer.table.count } = range
      if (first > end || end > layer.table.count) throw vhdError('ERANGE', `${path}: blocks ${first} to ${end}`)
      await allocate(layer, { first, end })
    }),
  )
}

/** Bitmaps are durable before the table points to them. */
async function allocate(layer: VhdLayer, { first, end }: BlockRange): Promise<void> {
  const { image, table } = layer
  const { storage, header, blockSpan } = image
  const bitmap = Buffer.alloc(bitmapBytes(header.blockSize), 0xff)
  let endOfData = image.endOfData(table, layer.batmap)
  for (let block = first; block < end; block++) {
    if (table.get(block) !== undefined) continue
    const sector = nextBlockSector(endOfData, header.blockSize)
    endOfData = sector * SECTOR_SIZE + blockSpan
    const full = sector >= BLOCK_UNUSED || (storage.isDevice && endOfData > storage.size - FOOTER_SIZE)
    if (full) throw vhdError('ENOSPC', `${storage.path} has no room for block ${block}`)
    await storage.write(bitmap, sector * SECTOR_SIZE)
    await storage.setLength(Math.max(storage.size, endOfData))
    table.set(block, sector)
    layer.batmap?.setFull(block)
  }
  await storage.sync()
  await storage.write(table.bytes, header.tableOffset)
  await storage.sync()
  await writeBatmap(layer)
  await writeFooters(image, image.footer, await endFooterOffset(image))
  await storage.sync()
}

async function writeBatmap({ image, batmap }: VhdLayer): Promise<void> {
  if (batmap === undefined) return
  await image.storage.write(batmap.bits, batmap.header.offset)
  await image.storage.write(batmap.headerBytes(), batmapHeaderOffset(image.header))
}
