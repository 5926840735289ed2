import fc from 'fast-check'
import { checksumStruct, fuFooter, fuHeader } from 'vhd-lib/_structs.js'
import { complementOfSum } from '../../../lib/vhd/fields.ts'

/** Where the parts of an image lie, bytes. */
export interface Parts {
  readonly table: number
  readonly batmapHeader: number
  readonly batmap: number
  readonly locators: number
  readonly data: number
}

type Part = keyof Parts | 'footerCopy' | 'header' | 'endFooter'

/** Overwrites an integer of a part. */
interface Edit {
  readonly part: Part
  readonly offset: number
  readonly width: 1 | 2 | 4 | 8
  readonly value: bigint
}

export interface Damage {
  readonly edits: readonly Edit[]
  /** Makes the checksums right again, so that the damage gets past them. */
  readonly sealed: boolean
  /** Makes the copy at 0 equal to the end footer afterwards. */
  readonly sameFooters: boolean
  /** New length of the file, bytes. */
  readonly length: number | undefined
  /** Text put into all locators. */
  readonly parent: string | undefined
}

const FOOTER_FIELDS = [0, 8, 12, 16, 20, 24, 28, 32, 40, 48, 52, 56, 60, 64, 68, 84, 85, 86]
const LOCATOR_FIELDS = Array.from({ length: 8 }, (_, slot) =>
  [0, 4, 8, 12, 16, 20].map(field => 576 + slot * 24 + field),
)
const HEADER_FIELDS = [0, 8, 16, 20, 24, 28, 32, 36, 40, 56, 60, 64, ...LOCATOR_FIELDS.flat()]

const interesting = fc.oneof(
  fc.constantFrom(0n, 1n, 2n, 3n, 4n, 7n, 511n, 512n, 513n, 1024n, 1536n, 2048n, 4096n, 0x10000n, 0x20_0000n),
  fc.constantFrom(0x7fff_ffffn, 0x8000_0000n, 0xffff_fe00n, 0xffff_fffen, 0xffff_ffffn, 0x0100_0000_0000n),
  fc.constantFrom(2n ** 43n, 2n ** 53n - 512n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 64n - 512n),
  fc.constantFrom(0x4d616358n, 0x57326b75n, 0x57327275n, 0x5769326bn, 0x4d616320n),
  fc.bigInt({ min: 0n, max: 0x3000n }),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
)

function edit(part: Part, offsets: fc.Arbitrary<number>, widths: readonly (1 | 2 | 4 | 8)[]): fc.Arbitrary<Edit> {
  return fc.record({ part: fc.constant(part), offset: offsets, width: fc.constantFrom(...widths), value: interesting })
}

const anyEdit = fc.oneof(
  edit('footerCopy', fc.constantFrom(...FOOTER_FIELDS), [1, 4, 8]),
  edit('endFooter', fc.constantFrom(...FOOTER_FIELDS), [1, 4, 8]),
  { weight: 3, arbitrary: edit('header', fc.constantFrom(...HEADER_FIELDS), [4, 8]) },
  edit(
    'table',
    fc.nat(12).map(entry => entry * 4),
    [4],
  ),
  edit('batmapHeader', fc.constantFrom(0, 8, 12, 16, 20, 24, 28, 29, 60), [1, 4, 8]),
  edit('batmap', fc.nat(511), [1, 2]),
  edit('locators', fc.nat(1535), [1, 2]),
  edit('data', fc.nat(2047), [1, 8]),
)

const PARENTS = [
  ...['/etc/passwd', '../other/secret.vhd', './../../etc/shadow', '/dev/zero', '/other/secret.vhd', './leaf.vhd'],
  ...[
    './base.vhd',
    '.',
    '..',
    './',
    '/',
    './missing.vhd',
    './base.vhd/x',
    '/sr/base.vhd',
    'C:\\base.vhd',
    './a\\..\\base.vhd',
  ],
]

export const damage: fc.Arbitrary<Damage> = fc.record({
  edits: fc.array(anyEdit, { maxLength: 5 }),
  sealed: fc.oneof(fc.constant(true), fc.constant(true), fc.boolean()),
  sameFooters: fc.boolean(),
  length: fc.option(
    fc.oneof(fc.nat(12_000), fc.constantFrom(0, 1, 511, 512, 1024, 1536, 65_536, 2 ** 30, 2 ** 41 + 2 ** 33)),
    { freq: 6, nil: undefined },
  ),
  parent: fc.option(fc.oneof(fc.constantFrom(...PARENTS), fc.string({ maxLength: 40 })), { freq: 4, nil: undefined }),
})

/** The image with the damage done; its length is not changed here. */
export function damaged(original: Buffer, parts: Parts, { edits, sealed, sameFooters, parent }: Damage): Buffer {
  const bytes = Buffer.from(original)
  const end = bytes.length - 512
  const places = { ...parts, footerCopy: 0, header: 512, endFooter: end }
  if (parent !== undefined) writeLocators(bytes, parts, parent)
  for (const { part, offset, width, value } of edits) {
    const at = places[part] + offset
    if (at + width <= bytes.length) writeBigEndian(bytes, { at, width, value })
  }
  if (sealed) seal(bytes, parts)
  if (sameFooters) bytes.copyWithin(end, 0, 512)
  return bytes
}

function seal(bytes: Buffer, parts: Parts): void {
  checksumStruct(bytes.subarray(0, 512), fuFooter)
  checksumStruct(bytes.subarray(512, 1536), fuHeader)
  checksumStruct(bytes.subarray(bytes.length - 512), fuFooter)
  bytes.writeUInt32BE(complementOfSum(bytes.subarray(parts.batmap, parts.batmap + 512)), parts.batmapHeader + 24)
}

export interface JournalDamage {
  readonly edits: readonly { readonly place: number; readonly width: 4 | 8; readonly value: bigint }[]
  readonly sealed: boolean
  /** Bytes left. */
  readonly length: number | undefined
}

const JOURNAL_FIELDS = [0, 8, 24, 32, 36, 40, 48, 56]
const ENTRY_FIELDS = [0, 8, 12, 16, 24]

/** Edits of the journal's header and of its first entries. */
export const journalDamage: fc.Arbitrary<JournalDamage> = fc.record({
  edits: fc.array(
    fc.record({
      place: fc.oneof(
        fc.constantFrom(...JOURNAL_FIELDS),
        fc.tuple(fc.nat(9), fc.constantFrom(...ENTRY_FIELDS)).map(([entry, field]) => 512 + entry * (32 + 512) + field),
        fc.nat(6000),
      ),
      width: fc.constantFrom(4 as const, 8 as const),
      value: interesting,
    }),
    { maxLength: 4 },
  ),
  sealed: fc.boolean(),
  length: fc.option(fc.nat(8000), { freq: 5, nil: undefined }),
})

export function damagedJournal(original: Buffer, { edits, sealed, length }: JournalDamage): Buffer {
  const bytes = Buffer.from(original)
  for (const { place, width, value } of edits) writeBigEndian(bytes, { at: place, width, value })
  if (sealed) sealEntries(bytes)
  return bytes.subarray(0, length ?? bytes.length)
}

/** Renews the checksums of the entries that can be followed. */
function sealEntries(bytes: Buffer): void {
  for (let at = 512; at + 32 <= bytes.length;) {
    const size = bytes.readUInt32BE(at + 12)
    if (size === 0 || at + 32 + size > bytes.length) return
    const entry = bytes.subarray(at, at + 32 + size)
    entry.writeUInt32BE(complementOfSum(entry.subarray(0, 24), entry.subarray(28)), 24)
    at += entry.length
  }
}

function writeLocators(bytes: Buffer, parts: Parts, text: string): void {
  const encodings = [Buffer.from(`file://${text}`), Buffer.from(text, 'utf16le'), Buffer.from(text, 'utf16le')]
  for (const [slot, encoded] of encodings.entries()) {
    encoded.copy(bytes, parts.locators + slot * 512, 0, 512)
    bytes.writeUInt32BE(Math.min(encoded.length, 512), 576 + 512 + slot * 24 + 8)
  }
}

function writeBigEndian(bytes: Buffer, { at, width, value }: { at: number; width: number; value: bigint }): void {
  for (let index = 0; index < width; index++) {
    bytes[at + width - 1 - index] = Number((value >> BigInt(8 * index)) & 0xffn)
  }
}
