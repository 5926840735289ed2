import { FILE_FORMAT_VERSION } from 'vhd-lib/_constants.js'
import { checksumStruct, fuFooter, packField, type Geometry } from 'vhd-lib/_structs.js'
import { computeGeometry } from './geometry.ts'
import { DISK_TYPES, FOOTER_SIZE } from './layout.ts'
import { bytesToUuid, uuidToBytes } from './uuid.ts'

export const FOOTER_COOKIE = 'conectix'

/** Marks a disk in the middle of a journaled resize: not to be opened (spec vhd 3, 9). */
export const POISON_COOKIE = 'v_poison'

const CREATOR_VERSION = 0x0001_0003
const BATMAP_SINCE_VERSION = 0x0001_0002
const CHECKSUM_OFFSET = 64
const HIDDEN_OFFSET = 85

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
  const fields = fuFooter.unpack(bytes)
  const dynamic = fields.diskType === DISK_TYPES.DYNAMIC || fields.diskType === DISK_TYPES.DIFFERENCING
  return {
    raw: Buffer.from(bytes),
    poisoned: fields.cookie === POISON_COOKIE,
    type: fields.diskType,
    dataOffset: fields.dataOffset,
    originalSize: fields.originalSize,
    currentSize: fields.currentSize,
    geometry: fields.diskGeometry,
    uuid: bytesToUuid(fields.uuid),
    hidden: bytes.readUInt8(HIDDEN_OFFSET),
    timestamp: fields.timestamp,
    creatorVersion: fields.creatorVersion,
    hasBatmap: dynamic && fields.creatorApplication.startsWith('tap') && fields.creatorVersion >= BATMAP_SINCE_VERSION,
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
  if (changes.hidden !== undefined) raw.writeUInt8(changes.hidden, HIDDEN_OFFSET)
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
  return checksumStruct(Buffer.from(bytes), fuFooter) === bytes.readUInt32BE(CHECKSUM_OFFSET)
}

export function hasFooterCookie(bytes: Buffer): boolean {
  const cookie = bytes.toString('latin1', 0, 8)
  return cookie === FOOTER_COOKIE || cookie === POISON_COOKIE
}

function sealed(raw: Buffer): Footer {
  checksumStruct(raw, fuFooter)
  const footer = decodeFooter(raw)
  if (footer === undefined) throw new Error('a footer made here does not decode')
  return footer
}
