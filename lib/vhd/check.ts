import { vhdError } from './errors.ts'
import { checkBatmap, checkBlocks } from './checkBlocks.ts'
import { checkLocators, checkParent } from './checkParent.ts'
import { decodeFooter, type Footer, hasFooterCookie, hasGoodChecksum, POISON_COOKIE } from './footer.ts'
import { computeGeometry, packGeometry } from './geometry.ts'
import { decodeHeader } from './header.ts'
import { DISK_TYPES, FOOTER_SIZE, HEADER_SIZE, SECTOR_SIZE, vhdTime } from './layout.ts'
import type { ParentRef, Place } from './parents.ts'
import { openStorage, type Storage } from './Storage.ts'
import { ZERO_UUID } from './uuid.ts'
import { readVhd, usingVhd } from './VhdImage.ts'

export interface CheckOptions {
  readonly allowMissingEndFooter?: boolean
  /** Do not compare the parent's uuid with the one the header names. */
  readonly ignoreParentUuid?: boolean
  /** Accept creation times in the future. */
  readonly ignoreTimestamps?: boolean
  /** Do not look for blocks that share bytes. */
  readonly allowOverlap?: boolean
  /** Read every block to see that nothing but zeroes lies under clear bits of its bitmap. */
  readonly checkUnusedSectors?: boolean
  /** Milliseconds since 1970. */
  readonly now: number
}

export interface CheckedDisk {
  readonly fixed: boolean
  readonly parent: ParentRef | undefined
}

const FUTURE_TOLERANCE = 1800
const NEWEST_CREATOR = 0x0001_0003
const RESERVED_FEATURE = 2
const FILE_VERSION = 0x0001_0000
const OFFSETS = { features: 8, version: 12, savedState: 84, reserved: 86 } as const

/**
 * Whether an image is sound by itself and fits its parent (spec vhd 7.7). Returns when it is; throws the first defect
 * as EINVAL, or ENOENT where the parent is missing, in the words of the reference's `check`.
 */
export async function checkDisk(place: Place, file: string, options: CheckOptions): Promise<CheckedDisk> {
  const storage = await openStorage(place.files, file, false)
  const footer = await checkFooters(storage, options).finally(() => storage.close())
  if (footer.type === DISK_TYPES.FIXED) return { fixed: true, parent: undefined }
  const opening = { backupFooter: options.allowMissingEndFooter === true, allowTruncated: true }
  return usingVhd(place.files, file, opening, async image => {
    await checkBlocks(image, options)
    await checkBatmap(image)
    const parent = image.isDifferencing ? await checkParent(place, image, options) : undefined
    return { fixed: false, parent }
  })
}

/**
 * As `checkDisk`, as far as an image shows by itself: its parent is not looked for. The caller closes the storage.
 */
export async function checkAlone(storage: Storage, options: CheckOptions): Promise<void> {
  const footer = await checkFooters(storage, options)
  if (footer.type === DISK_TYPES.FIXED) return
  const image = await readVhd(storage, { allowTruncated: true })
  await checkBlocks(image, options)
  await checkBatmap(image)
  if (image.isDifferencing) await checkLocators(image)
}

/** Both footers and the header; returns the footer to go by. */
async function checkFooters(storage: Storage, options: CheckOptions): Promise<Footer> {
  if (storage.size === 0) throw vhdError('EINVAL', 'error calculating end of file: -22')
  if (storage.size < FOOTER_SIZE || storage.size % SECTOR_SIZE !== 0) {
    throw vhdError('EINVAL', 'error reading primary footer: -22')
  }
  const end = await storage.read(storage.size - FOOTER_SIZE, FOOTER_SIZE)
  const primary = options.allowMissingEndFooter === true ? undefined : requireFooter(end, 'primary', options)
  if (primary?.type === DISK_TYPES.FIXED || (primary === undefined && isFixed(end)))
    return requireFooter(end, 'primary', options)
  const copy = await storage.read(0, FOOTER_SIZE)
  const backup = requireFooter(copy, 'backup', options)
  if (primary !== undefined && !end.equals(copy)) throw vhdError('EINVAL', 'primary and backup footers do not match')
  await checkHeader(storage, backup)
  return backup
}

function isFixed(bytes: Buffer): boolean {
  return decodeFooter(bytes)?.type === DISK_TYPES.FIXED
}

function requireFooter(bytes: Buffer, which: 'primary' | 'backup', options: CheckOptions): Footer {
  const footer = decodeFooter(bytes)
  const reason = footer === undefined ? undecodable(bytes) : footerDefect(footer, options)
  if (footer === undefined || reason !== undefined) {
    throw vhdError('EINVAL', `${which} footer invalid: ${reason ?? 'invalid checksum'}`)
  }
  return footer
}

function undecodable(bytes: Buffer): string {
  return hasFooterCookie(bytes) && !hasGoodChecksum(bytes) ? poisonOr(bytes, 'invalid checksum') : 'invalid cookie'
}

function poisonOr(bytes: Buffer, reason: string): string {
  return bytes.toString('latin1', 0, 8) === POISON_COOKIE ? 'invalid cookie' : reason
}

/** What is wrong with a footer whose checksum is right, in the reference's order. */
function footerDefect(footer: Footer, { now, ignoreTimestamps }: CheckOptions): string | undefined {
  const { raw } = footer
  const features = raw.readUInt32BE(OFFSETS.features)
  if (footer.poisoned) return 'invalid cookie'
  if ((features & RESERVED_FEATURE) === 0) return "invalid 'reserved' feature"
  if ((features & ~(RESERVED_FEATURE | 1)) !== 0) return 'invalid extra features'
  if (raw.readUInt32BE(OFFSETS.version) !== FILE_VERSION) return 'invalid file format version'
  if (!hasGoodDataOffset(footer)) return 'invalid data offset'
  if (ignoreTimestamps !== true && footer.timestamp > vhdTime(now) + FUTURE_TOLERANCE) return 'creation time in future'
  if (footer.hasBatmap && footer.creatorVersion > NEWEST_CREATOR) return 'unsupported tap creator version'
  if (packGeometry(footer.geometry) > packGeometry(computeGeometry(footer.currentSize))) return 'geometry too large'
  if (!Object.values(DISK_TYPES).includes(footer.type)) return 'invalid type'
  if (raw.readUInt8(OFFSETS.savedState) > 1) return "invalid 'saved' state"
  if (footer.hidden > 1) return "invalid 'hidden' state"
  if (raw.subarray(OFFSETS.reserved).some(byte => byte !== 0)) return "invalid 'reserved' bits"
  return footer.uuid === ZERO_UUID ? 'invalid (NULL) uuid' : undefined
}

function hasGoodDataOffset({ type, dataOffset }: Footer): boolean {
  if (type === DISK_TYPES.FIXED) return dataOffset === undefined
  return dataOffset !== undefined && dataOffset >= FOOTER_SIZE && dataOffset % SECTOR_SIZE === 0
}

async function checkHeader(storage: Storage, { dataOffset }: Footer): Promise<void> {
  if (dataOffset === undefined) return
  const header = decodeHeader(await storage.read(dataOffset, HEADER_SIZE))
  if (typeof header === 'string') throw vhdError('EINVAL', `header is invalid: ${header}`)
}
