import { roundVirtualSize } from '../vhd/virtualSize.ts'

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB
const SECTOR = 512
const PAGE = 4 * KIB
const VHD_BLOCK = 2 * MIB

/** Every volume is a multiple of this, bytes (spec lvhd 1). */
export const EXTENT = 4 * MIB
/** Virtual size that the tables of every VHD have room for, bytes: `create -S`. */
export const ROOM_FOR = 2 * KIB * GIB
/** Size of a journal, of the metadata volume and of a CBT log, bytes. */
export const SMALL_VOLUME = EXTENT
/**
 * Size of the journal of a VHD resize, bytes. It holds the old tables, 4.2 MiB at most, and each block that gives way to
 * the new ones, up to four; the 6 MiB of the reference do not (spec vhd 9.2).
 */
export const RESIZE_JOURNAL_SIZE = 16 * MIB

/** The smallest multiple of `step` that is not below `value`; 0 counts as 1. */
export function roundUp(step: number, value: number): number {
  return Math.ceil(Math.max(value, 1) / step) * step
}

/** Bytes that an empty VHD of this virtual size takes (spec lvhd 6). */
export function overheadEmpty(virtualSize: number): number {
  const blocks = Math.floor(Math.floor(virtualSize / MIB) / 2)
  const table = roundUp(SECTOR, 3 * KIB + blocks * 4)
  return roundUp(PAGE, table + Math.floor(blocks / 8))
}

/** Bytes of the sector bitmaps of a full VHD. */
export function overheadBitmap(virtualSize: number): number {
  return Math.ceil(virtualSize / VHD_BLOCK) * PAGE
}

/** Size of the volume that holds so many bytes. */
export function volumeSize(bytes: number): number {
  return roundUp(EXTENT, bytes)
}

/** Size of the volume of a VHD that can be filled completely ("inflated"). */
export function fullVhdVolumeSize(virtualSize: number): number {
  return volumeSize(virtualSize + overheadEmpty(ROOM_FOR) + overheadBitmap(virtualSize))
}

/** Size of the volume of an empty leaf ("deflated"): 8 MiB. */
export const THIN_VOLUME = volumeSize(overheadEmpty(ROOM_FOR))

/** Size of the volume of a raw VDI, which is its virtual size too. @throws SmError VDISize (79) */
export function rawVolumeSize(requested: number): number {
  return roundUp(EXTENT, roundVirtualSize(requested))
}
