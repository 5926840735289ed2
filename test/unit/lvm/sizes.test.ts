import { describe, expect, test } from 'vitest'
import {
  fullVhdVolumeSize,
  overheadBitmap,
  overheadEmpty,
  rawVolumeSize,
  ROOM_FOR,
  THIN_VOLUME,
  volumeSize,
} from '../../../lib/lvhd/sizes.ts'
import { roundVirtualSize } from '../../../lib/vhd/virtualSize.ts'

const MIB = 1024 * 1024
const GIB = 1024 * MIB

describe('sizes of volumes', () => {
  // The worked numbers of spec lvhd 6.
  test.each([
    [2 * MIB, 4096, 4096, 8_388_608],
    [GIB, 8192, 2_097_152, 1_082_130_432],
    [10 * GIB, 24_576, 20_971_520, 10_766_778_368],
    [100 * GIB, 217_088, 209_715_200, 107_592_286_208],
    [2040 * GIB, 4_313_088, 4_278_190_080, 2_194_719_899_648],
    [ROOM_FOR, 4_329_472, 4_294_967_296, 2_203_326_611_456],
  ])('a VHD of %d bytes needs %d empty, %d for bitmaps, and a volume of %d when full', (size, empty, bitmap, full) => {
    expect(overheadEmpty(size)).toBe(empty)
    expect(overheadBitmap(size)).toBe(bitmap)
    expect(fullVhdVolumeSize(size)).toBe(full)
  })

  test.each([
    [2, 8],
    [6, 12],
    [8, 16],
    [10, 16],
    [12, 20],
    [64, 72],
    [100, 108],
    [3074, 3088],
  ])('a full VHD of %d MiB is on a volume of %d MiB, as was recorded', (virtual, volume) => {
    expect(fullVhdVolumeSize(virtual * MIB)).toBe(volume * MIB)
  })

  test('an empty leaf takes 8 MiB, and no volume is empty', () => {
    expect(THIN_VOLUME).toBe(8 * MIB)
    expect(volumeSize(0)).toBe(4 * MIB)
    expect(volumeSize(4 * MIB)).toBe(4 * MIB)
    expect(volumeSize(4 * MIB + 1)).toBe(8 * MIB)
  })

  test('a requested size is rounded up to 2 MiB, that of a raw disk to 4 MiB', () => {
    expect([0, 1, 2 * MIB, 2 * MIB + 1, 2040 * GIB].map(roundVirtualSize)).toEqual([
      2 * MIB,
      2 * MIB,
      2 * MIB,
      4 * MIB,
      2040 * GIB,
    ])
    expect([1, 6 * MIB, 8 * MIB].map(rawVolumeSize)).toEqual([4 * MIB, 8 * MIB, 8 * MIB])
  })

  test.each([-1, 2040 * GIB + 1, Number.NaN, Infinity])('a size of %d is refused (79)', size => {
    expect(() => roundVirtualSize(size)).toThrow(expect.objectContaining({ code: 79 }) as Error)
  })
})
