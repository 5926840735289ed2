import type { Files } from '../os/files.ts'
import { type Batmap, readBatmap } from './Batmap.ts'
import { type BlockTable, readTable } from './BlockTable.ts'
import { vhdError } from './errors.ts'
import { type Footer, decodeFooter } from './footer.ts'
import { type Header, batmapHeaderOffset, decodeHeader } from './header.ts'
import {
  bitmapBytes,
  DISK_TYPES,
  FOOTER_SIZE,
  HEADER_SIZE,
  MAX_VIRTUAL_SIZE,
  padToSector,
  SECTOR_SIZE,
  TABLE_OFFSET,
  tableBytes,
} from './layout.ts'
import { openRegularStorage, openStorage, type Storage } from './Storage.ts'

export type FooterUsed = 'end' | 'end-511' | 'copy'

/** Footer copy, header and, on small disks, the tables: what a fast open needs in one read. */
const HEAD = 4096

export interface OpenOptions {
  readonly write?: boolean
  /** Trust only the copy at 0: the end is unreliable while the disk is open elsewhere (spec vhd 11). */
  readonly backupFooter?: boolean
  /** Accept a disk in the middle of a resize, only to look at it. */
  readonly allowPoisoned?: boolean
  /** Accept a disk whose file ends within its block table, only to look at it. */
  readonly allowTruncated?: boolean
  /**
   * For reading only: the directory says that this is a regular file, so that it need not be looked at before.
   * `immediate` as for `ReadHandle`.
   */
  readonly regular?: { readonly immediate: boolean }
}

/** An open VHD: its storage, footer and, unless fixed, header. Tables are read when asked for (spec vhd 3). */
export class VhdImage {
  readonly storage: Storage
  readonly footerUsed: FooterUsed
  footer: Footer
  #header: Header | undefined

  constructor(storage: Storage, footer: Footer, header: Header | undefined, footerUsed: FooterUsed = 'end') {
    this.storage = storage
    this.footer = footer
    this.#header = header
    this.footerUsed = footerUsed
  }

  get path(): string {
    return this.storage.path
  }

  get virtualSize(): number {
    return this.footer.currentSize
  }

  get isFixed(): boolean {
    return this.#header === undefined
  }

  get isDifferencing(): boolean {
    return this.footer.type === DISK_TYPES.DIFFERENCING
  }

  /** The dynamic header. Throws ENOSYS on a fixed disk, which has none. */
  get header(): Header {
    if (this.#header === undefined) throw vhdError('ENOSYS', `${this.path} is a fixed disk`)
    return this.#header
  }

  set header(header: Header) {
    this.#header = header
  }

  /** Blocks of the virtual size; a fixed disk has none. */
  get blockCount(): number {
    return this.#header === undefined ? 0 : Math.ceil(this.virtualSize / this.#header.blockSize)
  }

  /** Reads the entries the virtual size needs. Throws EINVAL where the table is too short (spec vhd 2.6). */
  async readTable(): Promise<BlockTable> {
    const { maxEntries, tableOffset } = this.header
    if (this.blockCount > maxEntries) {
      throw vhdError('EINVAL', `${this.path}: VHD size (${this.blockCount} blocks) exceeds BAT size (${maxEntries})`)
    }
    return readTable(this.storage, tableOffset, this.blockCount)
  }

  /** Undefined where this kind of disk has none. Throws EINVAL where it should have one and it is not valid. */
  async readBatmap(): Promise<Batmap | undefined> {
    if (this.isFixed || !this.footer.hasBatmap) return undefined
    const batmap = await readBatmap(this.storage, batmapHeaderOffset(this.header), this.virtualSize)
    if (!batmap.hasGoodChecksum) throw vhdError('EINVAL', `${this.path}: wrong batmap checksum`)
    return batmap
  }

  /** End of everything before the blocks, bytes (spec vhd 2.1). Throws EINVAL where that is not in the image. */
  endOfMetadata(batmap: Batmap | undefined): number {
    const { tableOffset, maxEntries, locators } = this.header
    const end = Math.max(
      TABLE_OFFSET,
      tableOffset + tableBytes(maxEntries),
      batmap === undefined ? 0 : batmap.header.offset + padToSector(batmap.header.reserved),
      ...locators.map(({ offset, space }) => offset + space),
    )
    if (end > this.storage.size) throw vhdError('EINVAL', `${this.path}: metadata exceeds the image`)
    return end
  }

  /** Where the next block or the end footer goes, bytes (spec vhd 2.7). */
  endOfData(table: BlockTable, batmap: Batmap | undefined): number {
    const span = this.blockSpan
    let end = this.endOfMetadata(batmap)
    for (const { sector } of table.allocated()) end = Math.max(end, sector * SECTOR_SIZE + span)
    return end
  }

  /** Bytes of one block with its bitmap. */
  get blockSpan(): number {
    return bitmapBytes(this.header.blockSize) + this.header.blockSize
  }

  async close(): Promise<void> {
    await this.storage.close()
  }
}

/** Opens a VHD. Throws ENOENT, EISDIR, EPIPE (empty), EIO (cut off) or EINVAL (no VHD, poisoned, beyond bounds). */
export async function openVhd(files: Files, path: string, options: OpenOptions = {}): Promise<VhdImage> {
  const storage = await (options.regular === undefined
    ? openStorage(files, path, options.write === true)
    : openRegularStorage(files, path, options.regular.immediate))
  try {
    return await readVhd(storage, options)
  } catch (error) {
    await storage.close()
    throw error
  }
}

/** Opens, runs `body`, closes whatever happens. */
export async function usingVhd<T>(
  files: Files,
  path: string,
  options: OpenOptions,
  body: (image: VhdImage) => Promise<T>,
): Promise<T> {
  const image = await openVhd(files, path, options)
  try {
    return await body(image)
  } finally {
    await image.close()
  }
}

/** What `openVhd` does once the file is open. The caller closes the storage where this throws. */
export async function readVhd(storage: Storage, options: OpenOptions = {}): Promise<VhdImage> {
  if (storage.size === 0) throw vhdError('EPIPE', `${storage.path} is empty`)
  if (storage.size < FOOTER_SIZE) throw vhdError('EIO', `${storage.path} is too short for a VHD`)
  if (options.backupFooter === true) await storage.prefetch(HEAD)
  const { footer, used } = await readFooter(storage, options.backupFooter === true)
  if (footer.poisoned && options.allowPoisoned !== true) {
    throw vhdError('EINVAL', `${storage.path} is in the middle of a resize`)
  }
  if (footer.currentSize > MAX_VIRTUAL_SIZE) throw vhdError('EINVAL', `${storage.path}: virtual size too large`)
  if (footer.type === DISK_TYPES.FIXED) return new VhdImage(storage, footer, undefined, used)
  if (footer.type !== DISK_TYPES.DYNAMIC && footer.type !== DISK_TYPES.DIFFERENCING) {
    throw vhdError('EINVAL', `${storage.path}: unknown disk type ${footer.type}`)
  }
  const header = await readHeader(storage, footer)
  const tableEnd = header.tableOffset + tableBytes(header.maxEntries)
  if (tableEnd > storage.size && options.allowTruncated !== true) {
    throw vhdError('EINVAL', `${storage.path}: block table exceeds the image`)
  }
  return new VhdImage(storage, footer, header, used)
}

/**
 * The end footer, else the copy at 0 (spec vhd 3). Where a crash took the end footer, the last sector is the guest's
 * to choose: an end footer of another disk than the copy's is not believed. On a fixed disk it is sector 0 that the
 * guest chooses, so there the end wins.
 */
async function readFooter(storage: Storage, copyOnly: boolean): Promise<{ footer: Footer; used: FooterUsed }> {
  const copy = await readFooterAt(storage, 'copy')
  for (const used of copyOnly ? [] : (['end', 'end-511'] as const)) {
    const footer = await readFooterAt(storage, used)
    if (footer === undefined) continue
    if (copy === undefined || copy.uuid === footer.uuid || footer.type === DISK_TYPES.FIXED) return { footer, used }
  }
  if (copy === undefined) throw vhdError('EINVAL', `${storage.path} has no valid footer`)
  return { footer: copy, used: 'copy' }
}

async function readFooterAt(storage: Storage, place: FooterUsed): Promise<Footer | undefined> {
  switch (place) {
    case 'end':
      return decodeFooter(await storage.read(storage.size - FOOTER_SIZE, FOOTER_SIZE))
    case 'end-511': {
      const start = storage.size - FOOTER_SIZE + 1
      if (start % SECTOR_SIZE !== 0) return undefined
      return decodeFooter(Buffer.concat([await storage.read(start, FOOTER_SIZE - 1)], FOOTER_SIZE))
    }
    case 'copy':
      return decodeFooter(await storage.read(0, FOOTER_SIZE))
  }
}

async function readHeader(storage: Storage, footer: Footer): Promise<Header> {
  const offset = footer.dataOffset
  if (offset === undefined || offset < FOOTER_SIZE || offset % SECTOR_SIZE !== 0) {
    throw vhdError('EINVAL', `${storage.path}: invalid data offset`)
  }
  const header = decodeHeader(await storage.read(offset, HEADER_SIZE))
  if (typeof header === 'string') throw vhdError('EINVAL', `${storage.path}: header is invalid: ${header}`)
  return header
}
