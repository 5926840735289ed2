import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeEntry,
  decodeHeader,
  decodeSr,
  encodeEntry,
  encodeHeader,
  encodeSr,
  ENTRIES_START,
  ENTRY_SIZE,
  type MetadataVdi,
} from '../../../lib/lvhd/metadata.ts'

const SECTOR = 512

interface Recorded {
  readonly from: string
  readonly sha256: string
  readonly sectors: readonly string[]
}

const recorded = JSON.parse(
  readFileSync(path.join(import.meta.dirname, '../../fixtures/lvhd/metadata.json'), 'utf8'),
) as Recorded[]

const VDI: MetadataVdi = {
  uuid: '3b5f0000-0000-4000-8000-000000000001',
  nameLabel: 'lab',
  nameDescription: 'd',
  isASnapshot: false,
  snapshotOf: '',
  snapshotTime: '',
  type: 'user',
  vdiType: 'vhd',
  readOnly: false,
  managed: true,
  metadataOfPool: '',
}

/** What the reference rebuilds from records has the elements of an entry in another order. */
const isRebuilt = ({ sectors }: Recorded): boolean => sectors.some(text => text.includes('</managed><deleted>'))

describe("the reference's metadata volumes", () => {
  test.each(recorded.filter(volume => !isRebuilt(volume)))(
    '$from: is read and written byte for byte',
    ({ sectors, sha256 }) => {
      const volume = Buffer.concat([rewritten(sectors)], 4 * 1024 * 1024)
      expect(createHash('sha256').update(volume).digest('hex')).toBe(sha256)
    },
  )

  test.each(recorded.filter(isRebuilt))('$from: is read', ({ sectors }) => {
    const bytes = rewritten(sectors)
    const uuids = sectors.flatMap(text => /^<uuid>(.*?)<\/uuid>/.exec(text)?.[1] ?? [])
    expect(uuids).toHaveLength(9)
    for (const [index, uuid] of uuids.entries()) {
      const offset = ENTRIES_START + index * ENTRY_SIZE
      const state = (sectors[5 + 2 * index] ?? '').includes('<deleted>1<') ? 'deleted' : 'live'
      expect(decodeEntry(bytes.subarray(offset, offset + ENTRY_SIZE))).toMatchObject({ state, vdi: { uuid } })
    }
  })
})

/** Reads all there is and writes it again. */
function rewritten(sectors: readonly string[]): Buffer {
  const original = Buffer.concat(sectors.map(padded))
  const length = decodeHeader(original.subarray(0, SECTOR))
  const parts = [encodeHeader(length), encodeSr(decodeSr(original.subarray(SECTOR, ENTRIES_START)))]
  for (let offset = ENTRIES_START; offset < original.length; offset += ENTRY_SIZE) {
    const bytes = original.subarray(offset, offset + ENTRY_SIZE)
    const entry = decodeEntry(bytes)
    if (entry.state === 'broken') throw new Error(`broken entry at ${offset}`)
    const place = bytes.includes('<offset>') ? { offset } : {}
    parts.push(encodeEntry(entry.vdi, { deleted: entry.state === 'deleted', ...place }))
  }
  return Buffer.concat(parts)
}

test('an entry looks as the reference writes it', () => {
  const bytes = encodeEntry(VDI)
  expect(bytes.toString('utf8', 0, SECTOR).trimEnd()).toBe(
    '<vdi><name_label>lab</name_label><name_description>d</name_description>',
  )
  expect(bytes.toString('utf8', SECTOR).trimEnd()).toBe(
    `<uuid>${VDI.uuid}</uuid><is_a_snapshot>0</is_a_snapshot><snapshot_of></snapshot_of><snapshot_time></snapshot_time>` +
      '<type>user</type><vdi_type>vhd</vdi_type><read_only>0</read_only><managed>1</managed>' +
      '<metadata_of_pool></metadata_of_pool><deleted>0</deleted></vdi>',
  )
  expect(encodeHeader(5120).toString().trimEnd()).toBe('XSSM:5120      :1:2')
})

describe('names', () => {
  test('that fit come back, whatever they are made of', () => {
    const name = fc.string({ unit: 'binary', maxLength: 30 }).filter(text => !FORBIDDEN.test(text))
    fc.assert(
      fc.property(name, name, (nameLabel, nameDescription) => {
        const entry = decodeEntry(encodeEntry({ ...VDI, nameLabel, nameDescription }))
        expect(entry).toEqual({
          state: 'live',
          vdi: { ...VDI, nameLabel: nameLabel.trim(), nameDescription: nameDescription.trim() },
        })
      }),
    )
  })

  test('that do not fit are cut, never within a character or an entity', () => {
    const text = fc.string({ unit: fc.constantFrom('&', '<', 'a', 'ü', '漢', '😀'), minLength: 100, maxLength: 600 })
    fc.assert(
      fc.property(text, text, (nameLabel, nameDescription) => {
        const bytes = encodeEntry({ ...VDI, nameLabel, nameDescription })
        expect(bytes).toHaveLength(ENTRY_SIZE)
        const entry = decodeEntry(bytes)
        if (entry.state === 'broken') throw new Error('broken')
        expect(nameLabel.startsWith(entry.vdi.nameLabel)).toBe(true)
        expect(nameDescription.startsWith(entry.vdi.nameDescription)).toBe(true)
        const sr = { uuid: 'u', allocation: 'thin', nameLabel, nameDescription }
        const read = decodeSr(encodeSr(sr))
        expect(nameLabel.startsWith(read.nameLabel)).toBe(true)
        expect(read).toMatchObject({ uuid: 'u', allocation: 'thin' })
      }),
    )
  })

  test('are 222 bytes each where they do not fit together, and each whole where one is short', () => {
    const names = (label: number, description: number) => {
      const vdi = { ...VDI, nameLabel: 'l'.repeat(label), nameDescription: 'd'.repeat(description) }
      const entry = decodeEntry(encodeEntry(vdi))
      return entry.state === 'broken' ? [] : [entry.vdi.nameLabel.length, entry.vdi.nameDescription.length]
    }
    expect([names(445, 0), names(223, 222), names(300, 300), names(446, 10)]).toEqual([
      [445, 0],
      [223, 222],
      [222, 222],
      [222, 10],
    ])
  })

  test('lose what XML cannot hold', () => {
    const entry = decodeEntry(encodeEntry({ ...VDI, nameLabel: 'a\0b\u0007c\uFFFEd\tE' }))
    expect(entry).toMatchObject({ vdi: { nameLabel: 'abcd\tE' } })
  })
})

const FORBIDDEN = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u

describe('what was not written by us', () => {
  test('may have elements in any order, unknown ones, blanks and NULs', () => {
    const text = `\0<vdi> <deleted>1</deleted>\n<new/><x>y</x><uuid> u </uuid><name_label>a &amp; &#98;&#x63; &quot;</name_label>\0</vdi>`
    expect(decodeEntry(padded(text))).toMatchObject({ state: 'deleted', vdi: { uuid: 'u', nameLabel: 'a & bc "' } })
  })

  test.each([
    '',
    '<vdi></vdi>',
    '<vdi><uuid></uuid></vdi>',
    '<vdi><uuid>u</uuid>',
    '<vdi><uuid>u</uuid><name_label>a &am</vdi>',
    '<vdi><uuid>u</uuid><name_label>a &am</name_label></vdi>',
    '<vdi><uuid>u</uuid>text</vdi>',
    '<vdi><uuid><uuid>u</uuid></uuid></vdi>',
    '<!DOCTYPE x [<!ENTITY a "b">]><vdi><uuid>&a;</uuid></vdi>',
    '\u0001\u0002',
  ])('%j is a broken entry', text => {
    expect(decodeEntry(padded(text))).toEqual({ state: 'broken' })
  })

  test('is never an error of the program', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: ENTRY_SIZE }), bytes => {
        expect(decodeEntry(Buffer.from(bytes)).state).toBeOneOf(['live', 'deleted', 'broken'])
      }),
    )
  })

  test.each([
    ['', 'Empty header'],
    ['\0\0\0', 'Empty header'],
    ['XSSM:2048:1', 'Bad header'],
    ['XSSM:2048:1:2:3', 'Bad header'],
    ['XSSN:2048      :1:2', 'Bad header'],
    ['XSSM:x         :1:2', 'Bad header'],
    ['XSSM:100       :1:2', 'Bad header'],
  ])('%j is no header (181)', (text, detail) => {
    expect(() => decodeHeader(padded(text))).toThrow(expect.objectContaining({ code: 181, detail }) as Error)
  })

  test('may be a header of another version', () => {
    expect(decodeHeader(padded('XSSM:4096      :2:7'))).toBe(4096)
  })
})

test('what is too long for a sector is refused (181)', () => {
  const error = expect.objectContaining({ code: 181 }) as Error
  expect(() => encodeEntry({ ...VDI, metadataOfPool: 'x'.repeat(400) })).toThrow(error)
})

function padded(text: string): Buffer {
  const bytes = Buffer.alloc(Math.max(1, Math.ceil(Buffer.byteLength(text) / SECTOR)) * SECTOR, ' ')
  bytes.write(text)
  return bytes
}
