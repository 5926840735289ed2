import fc from 'fast-check'
import { fuHeader } from 'vhd-lib/_structs.js'
import { describe, expect, it } from 'vitest'
import { changeFooter, decodeFooter, makeFooter } from '../../../lib/vhd/footer.ts'
import { computeGeometry, packGeometry } from '../../../lib/vhd/geometry.ts'
import { decodeHeader, makeHeader } from '../../../lib/vhd/header.ts'
import { nextBlockSector } from '../../../lib/vhd/layout.ts'
import { decodeLocatorText, encodeLocators } from '../../../lib/vhd/locator.ts'
import { mergeRanges } from '../../../lib/vhd/DiskImage.ts'
import { bitRuns, isFull, setBits } from '../../../lib/vhd/SectorBitmap.ts'
import { bytesToUuid, uuidToBytes } from '../../../lib/vhd/uuid.ts'
import { MIB } from './support.ts'

const uuid = fc.uuid()
const size = fc.integer({ min: 0, max: 2_088_960 }).map(mib => mib * MIB)
const timestamp = fc.integer({ min: 0, max: 0xffff_ffff })
const name = fc.stringMatching(/^[a-zA-Z0-9._-]{1,200}$/)

describe('geometry', () => {
  it.each([
    [2, 60, 4, 17],
    [64, 963, 8, 17],
    [100, 1003, 12, 17],
    [500, 1015, 16, 63],
    [512, 1040, 16, 63],
    [32_254, 65_531, 16, 63],
    [32_256, 16_191, 16, 255],
    [102_400, 51_400, 16, 255],
    [130_560, 65_535, 16, 255],
    [2_088_960, 65_535, 16, 255],
  ])('of %i MiB is that of the reference', (mib, cylinders, heads, sectorsPerTrackCylinder) => {
    expect(computeGeometry(mib * MIB)).toEqual({ cylinders, heads, sectorsPerTrackCylinder })
  })

  it('never describes more sectors than the disk has, nor a number that does not fit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2_088_960 * 2048 }), sectors => {
        const { cylinders, heads, sectorsPerTrackCylinder } = computeGeometry(sectors * 512)
        expect(cylinders * heads * sectorsPerTrackCylinder).toBeLessThanOrEqual(sectors)
        expect(packGeometry({ cylinders, heads, sectorsPerTrackCylinder })).toBeLessThanOrEqual(0xffff_ffff)
      }),
    )
  })
})

describe('a footer', () => {
  it('reads back what was written', () => {
    fc.assert(
      fc.property(uuid, size, timestamp, fc.constantFrom(2, 3, 4), (id, bytes, time, type) => {
        const { raw } = makeFooter({ type, size: bytes, uuid: id, timestamp: time })
        expect(decodeFooter(raw)).toMatchObject({ uuid: id, currentSize: bytes, originalSize: bytes, type, hidden: 0 })
      }),
    )
  })

  it('keeps every byte it does not mean to change', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 426, maxLength: 426 }), reserved => {
        const { raw } = makeFooter({ type: 3, size: MIB, uuid: uuidText, timestamp: 1 })
        const strange = Buffer.concat([raw.subarray(0, 86), reserved])
        strange.writeUInt32BE(checksum(strange, 64), 64)
        const footer = decodeFooter(strange)
        if (footer === undefined) throw new Error('a footer with a good checksum must decode')
        expect(changeFooter(footer, { hidden: 1 }).raw.subarray(86).equals(reserved)).toBe(true)
        expect(changeFooter(changeFooter(footer, { hidden: 1 }), { hidden: 0 }).raw.equals(strange)).toBe(true)
      }),
    )
  })

  it('is not believed with any byte changed', () => {
    const { raw } = makeFooter({ type: 3, size: 10 * MIB, uuid: uuidText, timestamp: 1 })
    fc.assert(
      fc.property(fc.nat(511), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = Buffer.from(raw)
        damaged.writeUInt8(damaged.readUInt8(at) ^ change, at)
        expect(decodeFooter(damaged)).toBeUndefined()
      }),
    )
  })
})

describe('a header', () => {
  it('reads back what was written', () => {
    fc.assert(
      fc.property(uuid, timestamp, name, fc.nat(1_048_576), (id, time, parentName, maxEntries) => {
        const locators = encodeLocators(`./${parentName}`, 3072).map(({ locator }) => locator)
        const parent = { uuid: id, timestamp: time, name: parentName }
        const header = makeHeader({ maxEntries, parent, locators })
        expect(decodeHeader(header.raw)).toMatchObject({
          ...{ maxEntries, parentUuid: id, parentTimestamp: time, parentName, locators },
        })
      }),
    )
  })
})

describe('a header', () => {
  it('is read as the library reads it', () => {
    const parent = fc.record({ uuid, timestamp, name })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000 }), parent, (maxEntries, link) => {
        const [locator] = encodeLocators(`./${link.name}`, 4096)
        const { raw } = makeHeader({
          maxEntries,
          parent: link,
          locators: locator === undefined ? [] : [locator.locator],
        })
        const fields = fuHeader.unpack(raw)
        const entry = fields.parentLocatorEntry[0]
        expect(decodeHeader(raw)).toMatchObject({
          tableOffset: fields.tableOffset,
          maxEntries: fields.maxTableEntries,
          blockSize: fields.blockSize,
          parentUuid: bytesToUuid(fields.parentUuid),
          parentTimestamp: fields.parentTimestamp,
          parentName: fields.parentUnicodeName,
          locators: [
            { code: entry?.platformCode, length: entry?.platformDataLength, offset: entry?.platformDataOffset },
          ],
        })
      }),
    )
  })

  it('ends the name of the parent at the first zero', () => {
    const { raw } = makeHeader({ maxEntries: 1, parent: { uuid: uuidText, timestamp: 1, name: 'abcd' } })
    raw.writeUInt16BE(0, 64 + 2)
    raw.writeUInt32BE(checksum(raw, 36), 36)
    expect(decodeHeader(raw)).toMatchObject({ parentName: 'a' })
  })
})

describe('locators', () => {
  it('lead to the path they were made from', () => {
    fc.assert(
      fc.property(name, fc.nat(5), (file, levels) => {
        const relative = levels === 0 ? `./${file}` : `${'../'.repeat(levels)}${file}`
        for (const { locator, bytes } of encodeLocators(relative, 4096)) {
          const text = decodeLocatorText(locator.code, bytes.subarray(0, locator.length))
          expect([relative, `./${relative}`]).toContain(text)
          expect(bytes.length).toBe(locator.space)
        }
      }),
    )
  })

  it('refuse names that other tools cannot read', () => {
    expect(() => encodeLocators('./bäse.vhd', 0)).toThrow(expect.objectContaining({ code: 'EILSEQ' }))
    expect(() => encodeLocators(`./${'x'.repeat(1000)}`, 0)).toThrow(expect.objectContaining({ code: 'ENAMETOOLONG' }))
  })
})

describe('the place of the next block', () => {
  it('is the first behind the data that puts a block on a page boundary', () => {
    fc.assert(
      fc.property(fc.nat(1_000_000), sector => {
        const next = nextBlockSector(sector * 512, 2 * MIB)
        expect(next).toBeGreaterThanOrEqual(sector)
        expect(next - sector).toBeLessThan(8)
        expect((next + 1) % 8).toBe(0)
      }),
    )
  })
})

describe('sector bitmaps', () => {
  it('give runs that tell exactly the bits that were set', () => {
    const range = fc.tuple(fc.nat(4095), fc.integer({ min: 1, max: 600 }))
    fc.assert(
      fc.property(fc.array(range, { maxLength: 12 }), fc.nat(4095), (ranges, start) => {
        const bitmap = Buffer.alloc(512)
        const model = new Array<boolean>(4096).fill(false)
        for (const [first, length] of ranges) {
          const end = Math.min(4096, first + length)
          expect(setBits(bitmap, first, end)).toBe(model.slice(first, end).includes(false))
          model.fill(true, first, end)
        }
        const seen = [...bitRuns(bitmap, start, 4096)].flatMap(run =>
          new Array<boolean>(run.end - run.first).fill(run.present),
        )
        expect(seen).toEqual(model.slice(start))
        expect(isFull(bitmap, 4096)).toBe(!model.includes(false))
      }),
    )
  })
})

describe('merged ranges', () => {
  it('cover the same bytes without touching', () => {
    const range = fc.record({ offset: fc.nat(60), length: fc.nat(20) })
    fc.assert(
      fc.property(fc.array(range), fc.nat(70), (ranges, end) => {
        const merged = mergeRanges(ranges, end)
        for (let at = 0; at < 100; at++) {
          const inside = (item: { offset: number; length: number }) =>
            at >= item.offset && at < item.offset + item.length
          expect(merged.some(inside)).toBe(at < end && ranges.some(inside))
        }
        for (const [index, item] of merged.entries()) {
          const next = merged[index + 1]
          if (next !== undefined) expect(item.offset + item.length).toBeLessThan(next.offset)
        }
      }),
    )
  })
})

describe('uuids', () => {
  it('survive their bytes', () => {
    fc.assert(fc.property(uuid, id => bytesToUuid(uuidToBytes(id)) === id))
  })

  it('are not made from other text', () => {
    expect(() => uuidToBytes('not-a-uuid')).toThrow(RangeError)
  })
})

const uuidText = '12345678-1234-4234-8234-123456789012'

/** Written here once more, so that the test does not lean on what it tests. */
function checksum(bytes: Buffer, at: number): number {
  const sum = bytes.reduce((total, byte, index) => (index >= at && index < at + 4 ? total : total + byte), 0)
  return ~sum >>> 0
}
