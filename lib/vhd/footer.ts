import { FILE_FORMAT_VERSION } from 'vhd-lib/_constants.js'
import { checksumStruct, fuFooter, packField, type Geometry } from 'vhd-lib/_structs.js'
import { hasChecksumAt, optionalOffset, uint32, uint64 } from './fields.ts'
import { computeGeometry } from './geometry.ts'
import { DISK_TYPES, FOOTER_SIZE } from './layout.ts'
import { bytesToUuid, uuidToBytes } from './uuid.ts'

export const FOOTER_COOKIE = 'conectix'

/** Marks a disk in the middle of a journaled resize: not to be opened (spec vhd 3, 9). */
export const POISON_COOKIE = 'v_poison'

const CREATOR_VERSION = 0x0001_0003
const BATMAP_SINCE_VERSION = 0x0001_0002

/** Byte offsets of the fields (spec vhd 2.2). */
const AT = {
  cookie: 0,
  data: 16,
  timestamp: 24,
  creator: 28,
  creatorVersion: 32,
  originalSize: 40,
  currentSize: 48,
  geometry: 56,
  type: 60,
  checksum: 64,
  uuid: 68,
  hidden: 85,
} as const

/** A footer whose cookie and checksum are good. `raw` is kept so that bytes nobody knows survive a change. */
export interface Footer {
  readonly raw: Buffer
  readonly poisoned: boolean
  readonly type: number
  /** Offset of the dynamic header, undefined on a fixed disk. */
  readonly dataOffset: number | undefined
  readonly originalSize: number
  /** The virtual size, bytes. */
  readonly currentSize: number
  readonly geometry: Geometry
  readonly uuid: string
  /** The byte as it is; 0 and 1 are the valid ones. */
  readonly hidden: number
  /** Seconds since 2000. */
  readonly timestamp: number
  readonly creatorVersion: number
  readonly hasBatmap: boolean
}

export interface FooterChanges {
  readonly hidden?: number
  readonly poisoned?: boolean
  /** Geometry follows. */
  readonly currentSize?: number
  readonly uuid?: string
}

/** Decodes 512 bytes; undefined where cookie or checksum is wrong (spec vhd 2.2, 2.4). */
export function decodeFooter(bytes: Buffer): Footer | undefined {
  if (bytes.length !== FOOTER_SIZE || !hasFooterCookie(bytes) || !hasGoodChecksum(bytes)) return undefined
  const type = uint32(bytes, AT.type)
  const dynamic = type === DISK_TYPES.DYNAMIC || type === DISK_TYPES.DIFFERENCING
  const creatorVersion = uint32(bytes, AT.creatorVersion)
  const byTap = bytes.toString('latin1', AT.creator, AT.creator + 3) === 'tap'
  return {
    raw: Buffer.from(bytes),
    poisoned: cookieOf(bytes) === POISON_COOKIE,
    type,
    dataOffset: optionalOffset(bytes, AT.data),
    originalSize: uint64(bytes, AT.originalSize),
    currentSize: uint64(bytes, AT.currentSize),
    geometry: {
      cylinders: bytes.readUInt16BE(AT.geometry),
      heads: bytes.readUInt8(AT.geometry + 2),
      sectorsPerTrackCylinder: bytes.readUInt8(AT.geometry + 3),
    },
    uuid: bytesToUuid(bytes.subarray(AT.uuid, AT.uuid + 16)),
    hidden: bytes.readUInt8(AT.hidden),
    timestamp: uint32(bytes, AT.timestamp),
    creatorVersion,
    hasBatmap: dynamic && byTap && creatorVersion >= BATMAP_SINCE_VERSION,
  }
}

/** A new footer with the values the reference writes (spec vhd 2.2). `timestamp` in seconds since 2000. */
export function makeFooter(disk: { type: number; size: number; uuid: string; timestamp: number }): Footer {
  const raw = fuFooter.pack({
    cookie: FOOTER_COOKIE,
    features: 2,
    fileFormatVersion: FILE_FORMAT_VERSION,
    dataOffset: disk.type === DISK_TYPES.FIXED ? undefined : FOOTER_SIZE,
    timestamp: disk.timestamp,
    creatorApplication: 'tap',
    creatorVersion: CREATOR_VERSION,
    creatorHostOs: 0,
    originalSize: disk.size,
    currentSize: disk.size,
    diskGeometry: computeGeometry(disk.size),
    diskType: disk.type,
    uuid: uuidToBytes(disk.uuid),
  })
  return sealed(raw)
}

/** The same footer with some fields changed and its checksum renewed. */
export function changeFooter(footer: Footer, changes: FooterChanges): Footer {
  const raw = Buffer.from(footer.raw)
  if (changes.hidden !== undefined) raw.writeUInt8(changes.hidden, AT.hidden)
  if (changes.poisoned !== undefined) {
    packField(fuFooter.fields.cookie, changes.poisoned ? POISON_COOKIE : FOOTER_COOKIE, raw)
  }
  if (changes.currentSize !== undefined) {
    packField(fuFooter.fields.currentSize, changes.currentSize, raw)
    packField(fuFooter.fields.diskGeometry, computeGeometry(changes.currentSize), raw)
  }
  if (changes.uuid !== undefined) packField(fuFooter.fields.uuid, uuidToBytes(changes.uuid), raw)
  return sealed(raw)
}

/** Whether the stored footer checksum is that of the bytes. */
export function hasGoodChecksum(bytes: Buffer): boolean {
  return hasChecksumAt(bytes, AT.checksum)
}

export function hasFooterCookie(bytes: Buffer): boolean {
  const cookie = cookieOf(bytes)
  return cookie === FOOTER_COOKIE || cookie === POISON_COOKIE
}

function cookieOf(bytes: Buffer): string {
  return bytes.toString('latin1', AT.cookie, AT.cookie + 8)
}

function sealed(raw: Buffer): Footer {
  checksumStruct(raw, fuFooter)
  const footer = decodeFooter(raw)
  if (footer === undefined) throw new Error('a footer made here does not decode')
  return footer
}
