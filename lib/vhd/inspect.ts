import type { Files } from '../os/files.ts'
import { asVhdError } from './errors.ts'
import { bitmapBytes, DISK_TYPES, SECTOR_SIZE } from './layout.ts'
import { ZERO_UUID } from './uuid.ts'
import { type FooterUsed, usingVhd, type VhdImage } from './VhdImage.ts'

/** What one image says of itself, without looking at any other file. Sizes in bytes. */
export interface VhdIdentity {
  /** The footer's uuid: the identity that survives renames and that children record. */
  readonly uuid: string
  /** Undefined for a root and for a child of a raw image. */
  readonly parentUuid: string | undefined
  /** File name of the parent as the header has it, undefined for a root. */
  readonly parentName: string | undefined
  /** A differencing disk whose parent is a raw image. */
  readonly parentRaw: boolean
  readonly type: 'fixed' | 'dynamic' | 'differencing'
  readonly virtualSize: number
  readonly hidden: boolean
  readonly allocatedBlocks: number
  /** Where the bitmap of its last block ends, 0 without blocks: a file that ends before cannot be read (spec vhd 2.7). */
  readonly endOfBitmaps: number
  /** 0 for a fixed disk. */
  readonly maxBatEntries: number
  /** Which footer was believed. */
  readonly footer: FooterUsed
}

/**
 * Reads an image's identity. `backupFooter` trusts only the copy at 0, for disks that may be open elsewhere
 * (spec vhd 11). Throws `VhdError`: ENOENT, EPIPE (empty), EIO (cut off), EINVAL (no VHD, poisoned).
 */
export async function inspectVhd(
  files: Files,
  path: string,
  options: { readonly backupFooter?: boolean; readonly allowPoisoned?: boolean } = {},
): Promise<VhdIdentity> {
  return asVhdError(path, () => usingVhd(files, path, options, identify))
}

/** As `inspectVhd`, for an image that is open. */
export async function identify(image: VhdImage): Promise<VhdIdentity> {
  const { footer } = image
  const header = image.isDifferencing ? image.header : undefined
  const parentRaw = header?.parentUuid === ZERO_UUID
  const blocks = image.isFixed ? { count: 0, endOfBitmaps: 0 } : await readBlocks(image)
  return {
    uuid: footer.uuid,
    parentUuid: parentRaw ? undefined : header?.parentUuid,
    parentName: header?.parentName,
    parentRaw,
    type: typeName(footer.type),
    virtualSize: image.virtualSize,
    hidden: footer.hidden !== 0,
    allocatedBlocks: blocks.count,
    endOfBitmaps: blocks.endOfBitmaps,
    maxBatEntries: image.isFixed ? 0 : image.header.maxEntries,
    footer: image.footerUsed,
  }
}

async function readBlocks(image: VhdImage): Promise<{ count: number; endOfBitmaps: number }> {
  let [count, last] = [0, 0]
  for (const { sector } of (await image.readTable()).allocated()) {
    count += 1
    last = Math.max(last, sector)
  }
  return { count, endOfBitmaps: count === 0 ? 0 : last * SECTOR_SIZE + bitmapBytes(image.header.blockSize) }
}

function typeName(type: number): VhdIdentity['type'] {
  if (type === DISK_TYPES.FIXED) return 'fixed'
  return type === DISK_TYPES.DYNAMIC ? 'dynamic' : 'differencing'
}
