import { HEADER_COOKIE, HEADER_VERSION, PARENT_LOCATOR_ENTRIES, PLATFORMS } from 'vhd-lib/_constants.js'
import { checksumStruct, fuHeader, packField, type LocatorFields } from 'vhd-lib/_structs.js'
import {
  batmapReserved,
  DEFAULT_BLOCK_SIZE,
  MAX_TABLE_ENTRIES,
  SECTOR_SIZE,
  TABLE_OFFSET,
  tableBytes,
} from './layout.ts'
import { bytesToUuid, uuidToBytes, ZERO_UUID } from './uuid.ts'

/** A parent locator entry in use. Sizes in bytes. */
export interface Locator {
  readonly index: number
  readonly code: number
  /** Reserved room; 0 where the stored value is unusable (spec vhd 2.5). */
  readonly space: number
  readonly length: number
  readonly offset: number
}

/** A dynamic header that passed all tests of `decodeHeader`. */
export interface Header {
  readonly raw: Buffer
  readonly tableOffset: number
  readonly maxEntries: number
  readonly blockSize: number
  readonly parentUuid: string
  readonly parentTimestamp: number
  readonly parentName: string
  readonly locators: readonly Locator[]
}

export interface ParentLink {
  /** `ZERO_UUID` for a raw parent. */
  readonly uuid: string
  /** Seconds since 2000. */
  readonly timestamp: number
  /** Base name. */
  readonly name: string
}

export interface HeaderChanges {
  readonly parent?: ParentLink
  readonly maxEntries?: number
  /** All locators in use, by their slots; the others are left as they are. */
  readonly locators?: readonly Locator[]
}

const KNOWN_CODES: ReadonlySet<number> = new Set(Object.values(PLATFORMS))

/** The parsed header, or the reason why it is none, in the words of `check` (spec vhd 2.5, 7.7). */
export function decodeHeader(bytes: Buffer): Header | string {
  const fields = fuHeader.unpack(bytes)
  if (bytes.toString('latin1', 0, 8) !== HEADER_COOKIE) return 'invalid cookie'
  if (checksumStruct(Buffer.from(bytes), fuHeader) !== fields.checksum) return 'invalid checksum'
  if (fields.dataOffset !== undefined) return 'invalid data offset'
  if (fields.headerVersion !== HEADER_VERSION) return 'unsupported header version'
  if (!isBlockSize(fields.blockSize)) return 'invalid block size'
  if (fields.maxTableEntries > MAX_TABLE_ENTRIES) return 'table too large'
  if (fields.tableOffset % SECTOR_SIZE !== 0 || fields.tableOffset < TABLE_OFFSET) return 'invalid table offset'
  if (fields.parentLocatorEntry.some(({ platformCode }) => !KNOWN_CODES.has(platformCode))) {
    return 'invalid parent locator'
  }
  return {
    raw: Buffer.from(bytes),
    tableOffset: fields.tableOffset,
    maxEntries: fields.maxTableEntries,
    blockSize: fields.blockSize,
    parentUuid: bytesToUuid(fields.parentUuid),
    parentTimestamp: fields.parentTimestamp,
    parentName: fields.parentUnicodeName,
    locators: fields.parentLocatorEntry.map(toLocator).filter(({ code }) => code !== PLATFORMS.NONE),
  }
}

/** A new header for a table of `maxEntries` (spec vhd 2.5). */
export function makeHeader(disk: { maxEntries: number; parent?: ParentLink; locators?: readonly Locator[] }): Header {
  const raw = fuHeader.pack({
    cookie: HEADER_COOKIE,
    dataOffset: undefined,
    tableOffset: TABLE_OFFSET,
    headerVersion: HEADER_VERSION,
    maxTableEntries: disk.maxEntries,
    blockSize: DEFAULT_BLOCK_SIZE,
    parentUuid: uuidToBytes(ZERO_UUID),
    parentLocatorEntry: Array.from({ length: PARENT_LOCATOR_ENTRIES }, noLocator),
  })
  return applyChanges(raw, disk)
}

/** The same header with some fields changed and its checksum renewed. */
export function changeHeader(header: Header, changes: HeaderChanges): Header {
  return applyChanges(Buffer.from(header.raw), changes)
}

/** Byte offset of the batmap header, which is stored nowhere (spec vhd 2.6). */
export function batmapHeaderOffset(header: Pick<Header, 'tableOffset' | 'maxEntries'>): number {
  return header.tableOffset + tableBytes(header.maxEntries)
}

/** Where the first locator of a new disk goes: behind the batmap. */
export function endOfBatmap(header: Pick<Header, 'tableOffset' | 'maxEntries'>): number {
  return batmapHeaderOffset(header) + SECTOR_SIZE + batmapReserved(header.maxEntries)
}

function applyChanges(raw: Buffer, { parent, maxEntries, locators = [] }: HeaderChanges): Header {
  const { fields } = fuHeader
  if (maxEntries !== undefined) packField(fields.maxTableEntries, maxEntries, raw)
  if (parent !== undefined) {
    packField(fields.parentUuid, uuidToBytes(parent.uuid), raw)
    packField(fields.parentTimestamp, parent.timestamp, raw)
    packParentName(parent.name, raw)
  }
  for (const locator of locators) packLocator(locator, raw)
  checksumStruct(raw, fuHeader)
  const header = decodeHeader(raw)
  if (typeof header === 'string') throw new Error(`a header made here does not decode: ${header}`)
  return header
}

const PARENT_NAME = { offset: 64, size: 512 }
const LOCATORS = { offset: 576, size: 24 }

/** By hand: the whole field is zero padded, whatever a longer old name left there. */
function packParentName(name: string, raw: Buffer): void {
  raw.fill(0, PARENT_NAME.offset, PARENT_NAME.offset + PARENT_NAME.size)
  Buffer.from(name, 'utf16le').subarray(0, PARENT_NAME.size).swap16().copy(raw, PARENT_NAME.offset)
}

function packLocator({ index, code, space, length, offset }: Locator, raw: Buffer): void {
  const start = LOCATORS.offset + index * LOCATORS.size
  raw.writeUInt32BE(code, start)
  raw.writeUInt32BE(space, start + 4)
  raw.writeUInt32BE(length, start + 8)
  raw.writeUInt32BE(0, start + 12)
  raw.writeBigUInt64BE(BigInt(offset), start + 16)
}

function toLocator(entry: LocatorFields, index: number): Locator {
  return {
    index,
    code: entry.platformCode,
    space: locatorSpace(entry.platformDataSpace),
    length: entry.platformDataLength,
    offset: entry.platformDataOffset,
  }
}

function locatorSpace(value: number): number {
  if (value < SECTOR_SIZE) return value * SECTOR_SIZE
  return value % SECTOR_SIZE === 0 ? value : 0
}

function isBlockSize(value: number): boolean {
  return value >= SECTOR_SIZE && value <= DEFAULT_BLOCK_SIZE && (value & (value - 1)) === 0
}

function noLocator(): LocatorFields {
  return { platformCode: 0, platformDataSpace: 0, platformDataLength: 0, reserved: 0, platformDataOffset: 0 }
}
