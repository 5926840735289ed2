import type { Geometry } from 'vhd-lib/_structs.js'
import { SECTOR_SIZE } from './layout.ts'

const MAX_SECTORS = 65_535 * 16 * 255
const LARGE_DISK = 65_535 * 16 * 63

/** Cylinders, heads and sectors per track of a disk of `virtualSize` bytes, all rounded down (spec vhd 2.3). */
export function computeGeometry(virtualSize: number): Geometry {
  const sectors = Math.min(Math.max(1, Math.ceil(virtualSize / SECTOR_SIZE)), MAX_SECTORS)
  if (sectors >= LARGE_DISK) return geometry(sectors, 16, 255)
  const heads = Math.max(4, Math.floor((Math.floor(sectors / 17) + 1023) / 1024))
  if (heads <= 16 && Math.floor(sectors / 17) < heads * 1024) return geometry(sectors, heads, 17)
  if (Math.floor(sectors / 31) < 16 * 1024) return geometry(sectors, 16, 31)
  return geometry(sectors, 16, 63)
}

/** One number per geometry, in the order `check` compares them (spec vhd 2.3). */
export function packGeometry({ cylinders, heads, sectorsPerTrackCylinder }: Geometry): number {
  return cylinders * 0x10000 + heads * 0x100 + sectorsPerTrackCylinder
}

function geometry(sectors: number, heads: number, sectorsPerTrackCylinder: number): Geometry {
  const tracks = Math.floor(sectors / sectorsPerTrackCylinder)
  return { cylinders: Math.floor(tracks / heads), heads, sectorsPerTrackCylinder }
}
