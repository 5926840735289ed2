import type { BlockTable } from '../lib/vhd/BlockTable.ts'
import { vhdError } from '../lib/vhd/errors.ts'
import { bitmapBytes, DEFAULT_BLOCK_SIZE, SECTOR_SIZE } from '../lib/vhd/layout.ts'
import { bitRuns } from '../lib/vhd/SectorBitmap.ts'
import { VhdChain } from '../lib/vhd/VhdChain.ts'
import type { VhdImage } from '../lib/vhd/VhdImage.ts'
import { number } from './arguments.ts'
import type { Tool } from './Command.ts'
import type { Format } from './dump.ts'
import { dumpImage } from './dumpImage.ts'
import type { Options } from './getopt.ts'

export interface Reading {
  readonly tool: Tool
  readonly image: VhdImage
  readonly table: BlockTable
  readonly options: Options
}

export interface ReadAction {
  readonly flag: string
  readonly run: (reading: Reading) => Promise<void>
}

/** Bytes of guest data printed at a time. */
const CHUNK = DEFAULT_BLOCK_SIZE

/** What `read` can print, in the order of printing (spec vhd 7.4). */
export const READ_ACTIONS: readonly ReadAction[] = [
  { flag: 'p', run: async reading => reading.tool.out(await dumpImage(reading.image, formatOf(reading))) },
  { flag: 't', run: sectorPlaces },
  { flag: 'b', run: blockPlaces },
  { flag: 'm', run: blockBitmaps },
  { flag: 'i', run: sectorBits },
  { flag: 'e', run: presentRuns },
  { flag: 'a', run: wholeBatmap },
  { flag: 'j', run: fullBlocks },
  { flag: 'd', run: blockData },
  { flag: 'r', run: reading => guestData(reading, 'r', SECTOR_SIZE) },
  { flag: 'R', run: reading => guestData(reading, 'R', 1) },
  { flag: 'B', run: allocationBitmap },
]

export function formatOf({ options }: Pick<Reading, 'options'>): Format {
  return options.flags.has('x') ? value => `0x${value.toString(16)}` : String
}

/** Where sectors of the guest's disk lie in the file. */
async function sectorPlaces(reading: Reading): Promise<void> {
  const format = formatOf(reading)
  for (const sector of requested(reading, 't', sectorCount(reading.image))) {
    const { block, within } = split(reading.image, sector)
    const data = dataOffset(reading, block)
    const place = data === undefined ? 'not allocated' : format(data + within * SECTOR_SIZE)
    await reading.tool.out(
      `logical sector ${format(sector)}: block number: ${format(block)}, sector offset: ${format(within)}, ` +
        `file offset: ${place}\n`,
    )
  }
}

async function blockPlaces(reading: Reading): Promise<void> {
  const format = formatOf(reading)
  for (const block of requestedBlocks(reading, 'b')) {
    const sector = reading.table.get(block)
    const place = sector === undefined ? 'not allocated' : format(sector * SECTOR_SIZE)
    await reading.tool.out(`block: ${format(block)}: offset: ${place}\n`)
  }
}

async function blockBitmaps(reading: Reading): Promise<void> {
  for (const block of requestedBlocks(reading, 'm')) {
    await reading.tool.out((await readBitmap(reading, block)) ?? notAllocated(reading, block))
  }
}

async function sectorBits(reading: Reading): Promise<void> {
  const format = formatOf(reading)
  for (const sector of requested(reading, 'i', sectorCount(reading.image))) {
    const { block, within } = split(reading.image, sector)
    const present = ((await readBitmap(reading, block))?.[within >> 3] ?? 0) & (0x80 >> (within & 7))
    await reading.tool.out(`block ${format(block)}: sec: ${format(within)}: ${present === 0 ? 0 : 1}\n`)
  }
}

/** One line per run of sectors that this file holds: first sector and count. */
async function presentRuns(reading: Reading): Promise<void> {
  const { first, end } = requestedRange(reading, 'e', sectorCount(reading.image))
  const found: { first: number; end: number }[] = []
  for (let sector = first; sector < end;) {
    const { block, within, left } = split(reading.image, sector)
    const stop = Math.min(end - sector, left)
    const bitmap = await readBitmap(reading, block)
    for (const run of bitmap === undefined ? [] : bitRuns(bitmap, within, within + stop)) {
      const at = sector - within
      const last = found.at(-1)
      if (!run.present) continue
      if (last?.end === at + run.first) last.end = at + run.end
      else found.push({ first: at + run.first, end: at + run.end })
    }
    sector += stop
  }
  const format = formatOf(reading)
  await reading.tool.out(found.map(run => `${format(run.first)} ${format(run.end - run.first)}\n`).join(''))
}

async function wholeBatmap({ tool, image }: Reading): Promise<void> {
  const batmap = await image.readBatmap()
  if (batmap === undefined) throw vhdError('EINVAL', `${image.path} has no batmap`)
  await tool.out(batmap.bits)
}

async function fullBlocks(reading: Reading): Promise<void> {
  const batmap = await reading.image.readBatmap()
  const format = formatOf(reading)
  for (const block of requestedBlocks(reading, 'j')) {
    await reading.tool.err(`batmap for block ${format(block)}: ${batmap?.isFull(block) === true ? 1 : 0}\n`)
  }
}

async function blockData(reading: Reading): Promise<void> {
  for (const block of requestedBlocks(reading, 'd')) {
    const offset = dataOffset(reading, block)
    const { storage, header } = reading.image
    await reading.tool.out(
      offset === undefined ? notAllocated(reading, block) : await storage.read(offset, header.blockSize),
    )
  }
}

/** The guest's view, through all ancestors; `unit` is what start and count are counted in. */
async function guestData(reading: Reading, flag: string, unit: number): Promise<void> {
  const chain = await VhdChain.open(reading.tool.system.files, reading.image.path)
  try {
    const { first, end } = requestedRange(reading, flag, Math.floor(chain.virtualSize / unit))
    for (let at = first * unit; at < end * unit; at += CHUNK) {
      await reading.tool.out(await chain.read(at, Math.min(CHUNK, end * unit - at)))
    }
  } finally {
    await chain.close()
  }
}

/** A bit per whole block that is allocated in this file. */
async function allocationBitmap({ tool, image, table }: Reading): Promise<void> {
  const blocks = Math.floor(image.virtualSize / image.header.blockSize)
  const bits = Buffer.alloc(Math.ceil(blocks / 8))
  for (const { block } of table.allocated()) {
    if (block < blocks) bits.writeUInt8(bits.readUInt8(block >> 3) | (0x80 >> (block & 7)), block >> 3)
  }
  await tool.out(bits)
}

function* requested(reading: Reading, flag: string, limit: number): IterableIterator<number> {
  const { first, end } = requestedRange(reading, flag, limit)
  for (let index = first; index < end; index++) yield index
}

function requestedBlocks(reading: Reading, flag: string): IterableIterator<number> {
  return requested(reading, flag, reading.table.count)
}

/** From the option's number on, as many as `-c` says, by default one. Throws ERANGE past `limit`. */
function requestedRange({ options, image }: Reading, flag: string, limit: number): { first: number; end: number } {
  const first = number(options, flag) ?? 0
  const end = first + (number(options, 'c') ?? 1)
  if (first >= limit || end > limit) throw vhdError('ERANGE', `${image.path}: ${first} to ${end} exceeds ${limit}`)
  return { first, end }
}

function sectorCount(image: VhdImage): number {
  return Math.floor(image.virtualSize / SECTOR_SIZE)
}

function split(image: VhdImage, sector: number): { block: number; within: number; left: number } {
  const perBlock = image.header.blockSize / SECTOR_SIZE
  const within = sector % perBlock
  return { block: Math.floor(sector / perBlock), within, left: perBlock - within }
}

function dataOffset({ image, table }: Reading, block: number): number | undefined {
  const sector = table.get(block)
  return sector === undefined ? undefined : sector * SECTOR_SIZE + bitmapBytes(image.header.blockSize)
}

async function readBitmap({ image, table }: Reading, block: number): Promise<Buffer | undefined> {
  const sector = table.get(block)
  return sector === undefined
    ? undefined
    : image.storage.read(sector * SECTOR_SIZE, bitmapBytes(image.header.blockSize))
}

function notAllocated(reading: Reading, block: number): string {
  return `block ${formatOf(reading)(block)} not allocated\n`
}
