import { HEADER_COOKIE, HEADER_VERSION, PARENT_LOCATOR_ENTRIES, PLATFORMS } from 'vhd-lib/_constants.js'
import { checksumStruct, fuHeader, packField, type LocatorFields } from 'vhd-lib/_structs.js'
import { hasChecksumAt, optionalOffset, uint32, uint64 } from './fields.ts'
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

/** Byte offsets of the fields (spec vhd 2.5). */
const AT = {
  data: 8,
  table: 16,
  version: 24,
  entries: 28,
  blockSize: 32,
  checksum: 36,
  parentUuid: 40,
  parentTimestamp: 56,
} as const

const KNOWN_CODES: ReadonlySet<number> = new Set(Object.values(PLATFORMS))

/**
 * The parsed header, or the reason why it is none, in the words of `check` (spec vhd 2.5, 7.7). The fields are read where
 * they lie: a scan decodes thousands, and the library's way costs more than the files.
 */
export function decodeHeader(bytes: Buffer): Header | string {
  const tableOffset = uint64(bytes, AT.table)
  const maxEntries = uint32(bytes, AT.entries)
  const blockSize = uint32(bytes, AT.blockSize)
  if (bytes.toString('latin1', 0, 8) !== HEADER_COOKIE) return 'invalid cookie'
  if (!hasChecksumAt(bytes, AT.checksum)) return 'invalid checksum'
  if (optionalOffset(bytes, AT.data) !== undefined) return 'invalid data offset'
  if (uint32(bytes, AT.version) !== HEADER_VERSION) return 'unsupported header version'
  if (!isBlockSize(blockSize)) return 'invalid block size'
  if (maxEntries > MAX_TABLE_ENTRIES) return 'table too large'
  if (tableOffset % SECTOR_SIZE !== 0 || tableOffset < TABLE_OFFSET) return 'invalid table offset'
  const locators = Array.from({ length: PARENT_LOCATOR_ENTRIES }, (_, index) => readLocatorEntry(bytes, index))
  if (locators.some(({ code }) => !KNOWN_CODES.has(code))) return 'invalid parent locator'
  return {
    raw: Buffer.from(bytes),
    tableOffset,
    maxEntries,
    blockSize,
    parentUuid: bytesToUuid(bytes.subarray(AT.parentUuid, AT.parentUuid + 16)),
    parentTimestamp: uint32(bytes, AT.parentTimestamp),
    parentName: readParentName(bytes),
    locators: locators.filter(({ code }) => code !== PLATFORMS.NONE),
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

function readLocatorEntry(bytes: Buffer, index: number): Locator {
  const start = LOCATORS.offset + index * LOCATORS.size
  return {
    index,
    code: uint32(bytes, start),
    space: locatorSpace(uint32(bytes, start + 4)),
    length: uint32(bytes, start + 8),
    offset: uint64(bytes, start + 16),
  }
}

function readParentName(bytes: Buffer): string {
  const field = Buffer.from(bytes.subarray(PARENT_NAME.offset, PARENT_NAME.offset + PARENT_NAME.size)).swap16()
  const name = field.toString('utf16le')
  const end = name.indexOf('\0')
  return end < 0 ? name : name.slice(0, end)
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
