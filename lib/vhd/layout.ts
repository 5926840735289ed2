import { DEFAULT_BLOCK_SIZE, FOOTER_SIZE, HEADER_SIZE, SECTOR_SIZE } from 'vhd-lib/_constants.js'

export { DEFAULT_BLOCK_SIZE, FOOTER_SIZE, HEADER_SIZE, SECTOR_SIZE }
export { BLOCK_UNUSED, DISK_TYPES } from 'vhd-lib/_constants.js'

/** Where `create` puts the BAT (spec vhd 2.1). */
export const TABLE_OFFSET = FOOTER_SIZE + HEADER_SIZE

/** Seconds from 1970 to 2000, where VHD time starts (spec vhd 1). */
export const EPOCH = 946_684_800

/** More table entries than any disk of the format's 2 TiB needs, with room for smaller blocks. */
export const MAX_TABLE_ENTRIES = 4 * 1024 * 1024

/** Larger than every disk an SM makes (2040 GiB), small enough to bound all arithmetic. */
export const MAX_VIRTUAL_SIZE = 4 * 1024 ** 4

/** No chain of an SR is longer than 30; a walk past this is a loop or hostile. */
export const MAX_CHAIN_LENGTH = 64

export const BATMAP_UNIT = 16 * 1024 * 1024

/** Rounds up to sectors, with at least one (spec vhd 2.1). */
export function padToSector(bytes: number): number {
  return Math.max(SECTOR_SIZE, Math.ceil(bytes / SECTOR_SIZE) * SECTOR_SIZE)
}

/** Rounds a virtual size up to whole 2 MiB blocks (spec vhd 2.8). */
export function roundToBlock(bytes: number): number {
  return Math.ceil(bytes / DEFAULT_BLOCK_SIZE) * DEFAULT_BLOCK_SIZE
}

/** Bytes of a BAT on disk. */
export function tableBytes(entries: number): number {
  return padToSector(entries * 4)
}

/** Bytes of a batmap that are read, written and covered by its checksum (spec vhd 2.6). */
export function batmapCoverage(virtualSize: number): number {
  return padToSector(Math.floor(virtualSize / BATMAP_UNIT))
}

/** Bytes reserved for a batmap at creation (spec vhd 2.1). */
export function batmapReserved(entries: number): number {
  return padToSector(Math.ceil(entries / 8))
}

/** Bytes of the sector bitmap before each block's data (spec vhd 2.7). */
export function bitmapBytes(blockSize: number): number {
  return padToSector(blockSize / SECTOR_SIZE / 8)
}

/**
 * Sector where the bitmap of the next block goes: the first at or behind `endOfData` (bytes) that puts the data on a
 * 4096-byte boundary (spec vhd 2.7).
 */
export function nextBlockSector(endOfData: number, blockSize: number): number {
  const bitmapSectors = bitmapBytes(blockSize) / SECTOR_SIZE
  const first = Math.ceil(endOfData / SECTOR_SIZE)
  return Math.ceil((first + bitmapSectors) / 8) * 8 - bitmapSectors
}

/** Milliseconds since 1970 as VHD time. */
export function vhdTime(milliseconds: number): number {
  return Math.max(0, Math.floor(milliseconds / 1000) - EPOCH)
}
