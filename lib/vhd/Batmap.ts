import { vhdError } from './errors.ts'
import { complementOfSum } from './fields.ts'
import { batmapCoverage, batmapReserved, padToSector, SECTOR_SIZE } from './layout.ts'
import type { Storage } from './Storage.ts'

const COOKIE = 'tdbatmap'
const VERSION = 0x0001_0002
const OFFSETS = { offset: 8, sectors: 16, version: 20, checksum: 24, marker: 28, key: 29 } as const
const KEY_LENGTH = 65

/** Bytes of a key entry: one flag, the nonce, the SHA-256 (spec vhd 2.6). */
const NONCE = { start: 1, end: 33 } as const
const HASH = { start: 33, end: 65 } as const

export interface BatmapHeader {
  readonly raw: Buffer
  /** Byte offset of the bits. */
  readonly offset: number
  /** Bytes reserved for the bits. */
  readonly reserved: number
  readonly version: number
  readonly checksum: number
  readonly marker: number
}

/** Which blocks have every sector present, so that their bitmap need not be read (spec vhd 2.6). */
export class Batmap {
  readonly header: BatmapHeader
  readonly bits: Buffer

  constructor(header: BatmapHeader, bits: Buffer) {
    this.header = header
    this.bits = bits
  }

  isFull(block: number): boolean {
    const byte = this.bits[block >> 3] ?? 0
    return (byte & (0x80 >> (block & 7))) !== 0
  }

  /** Records a block as full; blocks past the covered part are never recorded. Says whether anything changed. */
  setFull(block: number): boolean {
    if (block >> 3 >= this.bits.length || this.isFull(block)) return false
    this.bits.writeUInt8(this.bits.readUInt8(block >> 3) | (0x80 >> (block & 7)), block >> 3)
    return true
  }

  get hasGoodChecksum(): boolean {
    return complementOfSum(this.bits) === this.header.checksum
  }

  /** The header with the checksum of the bits as they are now. */
  headerBytes(): Buffer {
    const raw = Buffer.from(this.header.raw)
    raw.writeUInt32BE(complementOfSum(this.bits), OFFSETS.checksum)
    return raw
  }
}

/** Decodes a batmap header; undefined where the cookie is wrong. */
export function decodeBatmapHeader(raw: Buffer): BatmapHeader | undefined {
  if (raw.length < SECTOR_SIZE || raw.toString('latin1', 0, 8) !== COOKIE) return undefined
  return {
    raw,
    offset: Number(raw.readBigUInt64BE(OFFSETS.offset)),
    reserved: raw.readUInt32BE(OFFSETS.sectors) * SECTOR_SIZE,
    version: raw.readUInt32BE(OFFSETS.version),
    checksum: raw.readUInt32BE(OFFSETS.checksum),
    marker: raw.readUInt8(OFFSETS.marker),
  }
}

/** An empty batmap for `entries` blocks, its bits at `offset`; `raw` keeps the key of an older header. */
export function makeBatmap(entries: number, offset: number, raw: Buffer = Buffer.alloc(SECTOR_SIZE)): Batmap {
  const bits = Buffer.alloc(batmapReserved(entries))
  const header = Buffer.from(raw)
  header.write(COOKIE, 'latin1')
  header.writeBigUInt64BE(BigInt(offset), OFFSETS.offset)
  header.writeUInt32BE(bits.length / SECTOR_SIZE, OFFSETS.sectors)
  header.writeUInt32BE(VERSION, OFFSETS.version)
  header.writeUInt32BE(complementOfSum(bits), OFFSETS.checksum)
  return new Batmap(requireHeader(header), bits)
}

/** The same header with its bits elsewhere and more room. */
export function moveBatmapHeader(header: BatmapHeader, offset: number, reserved: number): BatmapHeader {
  const raw = Buffer.from(header.raw)
  raw.writeBigUInt64BE(BigInt(offset), OFFSETS.offset)
  raw.writeUInt32BE(padToSector(reserved) / SECTOR_SIZE, OFFSETS.sectors)
  return requireHeader(raw)
}

/** Reads the header at `headerOffset` and the bits that count. Throws EINVAL for what is no batmap, EIO where the image ends before it. */
export async function readBatmap(storage: Storage, headerOffset: number, virtualSize: number): Promise<Batmap> {
  const header = await readBatmapHeader(storage, headerOffset)
  const coverage = batmapCoverage(virtualSize)
  if (header.offset < headerOffset + SECTOR_SIZE) throw vhdError('EINVAL', `${storage.path}: batmap in its header`)
  if (header.reserved < coverage) throw vhdError('EINVAL', `${storage.path}: batmap too small`)
  return new Batmap(header, await storage.read(header.offset, coverage))
}

/** Reads the header alone. Throws EINVAL where there is none. */
export async function readBatmapHeader(storage: Storage, headerOffset: number): Promise<BatmapHeader> {
  const header = decodeBatmapHeader(await storage.read(headerOffset, SECTOR_SIZE))
  if (header === undefined) throw vhdError('EINVAL', `${storage.path}: no batmap header`)
  return header
}

/** The SHA-256 of the encryption key in hexadecimal, undefined where none is set. */
export function keyHashOf(header: BatmapHeader): string | undefined {
  const key = keyOf(header)
  return key?.toString('hex', HASH.start, HASH.end)
}

/** The whole key entry, to be copied into another header; undefined where none is set. */
export function keyOf({ raw }: BatmapHeader): Buffer | undefined {
  const key = raw.subarray(OFFSETS.key, OFFSETS.key + KEY_LENGTH)
  return key[0] === 1 ? key : undefined
}

/** A key entry from 64 hexadecimal digits each. Throws EINVAL for anything else. */
export function makeKey(hash: string, nonce = '00'.repeat(32)): Buffer {
  for (const digits of [hash, nonce]) {
    if (!/^[0-9a-f]{64}$/i.test(digits)) throw vhdError('EINVAL', 'a key hash has 64 hexadecimal digits')
  }
  const key = Buffer.alloc(KEY_LENGTH, 1)
  key.fill(nonce, NONCE.start, NONCE.end, 'hex')
  key.fill(hash, HASH.start, HASH.end, 'hex')
  return key
}

/** The header with another key entry. */
export function withKey(header: BatmapHeader, key: Buffer): BatmapHeader {
  const raw = Buffer.from(header.raw)
  key.copy(raw, OFFSETS.key)
  return requireHeader(raw)
}

/** The header with another marker, 0 to 255. */
export function withMarker(header: BatmapHeader, marker: number): BatmapHeader {
  const raw = Buffer.from(header.raw)
  raw.writeUInt8(marker, OFFSETS.marker)
  return requireHeader(raw)
}

function requireHeader(raw: Buffer): BatmapHeader {
  const header = decodeBatmapHeader(raw)
  if (header === undefined) throw new Error('a batmap header made here does not decode')
  return header
}
