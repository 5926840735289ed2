import { type Files, isErrno } from '../os/files.ts'
import { complementOfSum } from './fields.ts'
import { vhdError } from './errors.ts'
import { SECTOR_SIZE } from './layout.ts'
import { openStorage, Storage } from './Storage.ts'
import { bytesToUuid, uuidToBytes } from './uuid.ts'

/** What an entry holds (spec vhd 9.1). */
export const ENTRY = {
  endFooter: 1,
  footerCopy: 2,
  header: 3,
  locator: 4,
  table: 5,
  batmapHeader: 6,
  batmap: 7,
  data: 8,
} as const

export interface JournalEntry {
  readonly type: number
  /** Byte offset on the disk. */
  readonly offset: number
  readonly bytes: Buffer
}

const COOKIE = 'vjournal'
const ENTRY_COOKIE = 0xaaaa_1234_4321_aaaan
const ENTRY_HEADER = 32
const CHECKSUM_OFFSET = 24
/** More than the largest table of the format needs. */
const MAX_ENTRY = 32 * 1024 * 1024

interface JournalHeader {
  readonly uuid: string
  /** Byte offset of the disk's end footer before the resize. */
  readonly footerOffset: number
  readonly dataEntries: number
  readonly metadataEntries: number
  readonly dataOffset: number
  readonly metadataOffset: number
  readonly end: number
}

/** The journal of an offline growth: what the disk held before (spec vhd 9). */
export class ResizeJournal {
  readonly #storage: Storage
  #header: JournalHeader

  constructor(storage: Storage, header: JournalHeader) {
    this.#storage = storage
    this.#header = header
  }

  get path(): string {
    return this.#storage.path
  }

  /** A block device, which outlives its use as a journal. */
  get isDevice(): boolean {
    return this.#storage.isDevice
  }

  get uuid(): string {
    return this.#header.uuid
  }

  get footerOffset(): number {
    return this.#header.footerOffset
  }

  /** The growth was finished; only the clean-up may be missing. */
  get isCommitted(): boolean {
    return this.#header.metadataOffset === 0 && this.#header.metadataEntries === 0
  }

  /** Appends one entry, then the header that counts it. Not durable before `sync`. */
  async append({ type, offset, bytes }: JournalEntry): Promise<void> {
    const { end, dataEntries, metadataEntries, dataOffset } = this.#header
    const entryHeader = packEntryHeader({ type, offset, bytes })
    await this.#storage.write(Buffer.concat([entryHeader, bytes]), end)
    const next = end + ENTRY_HEADER + bytes.length
    const isData = type === ENTRY.data
    await this.#writeHeader({
      ...this.#header,
      dataEntries: dataEntries + (isData ? 1 : 0),
      metadataEntries: metadataEntries + (isData ? 0 : 1),
      dataOffset: isData ? dataOffset : next,
      end: next,
    })
  }

  /** Marks the growth as done: from here on there is nothing to go back to. Durable when this returns. */
  async commit(): Promise<void> {
    const none = { footerOffset: 0, dataEntries: 0, metadataEntries: 0, dataOffset: 0, metadataOffset: 0, end: 0 }
    await this.#writeHeader({ ...this.#header, ...none })
    await this.#storage.setLength(SECTOR_SIZE)
    await this.#storage.sync()
  }

  async sync(): Promise<void> {
    await this.#storage.sync()
  }

  async close(): Promise<void> {
    await this.#storage.close()
  }

  /** All entries in order. Throws EINVAL where the journal contradicts itself or a checksum is wrong. */
  async *entries(): AsyncIterableIterator<JournalEntry> {
    const { metadataEntries, dataEntries, metadataOffset, dataOffset, end } = this.#header
    let position = metadataOffset
    for (let index = 0; index < metadataEntries + dataEntries; index++) {
      if (index === metadataEntries && position !== dataOffset) throw this.#invalid('metadata entries')
      const entry = await this.#readEntry(position, end)
      if ((entry.type === ENTRY.data) !== index >= metadataEntries) throw this.#invalid(`entry type ${entry.type}`)
      position += ENTRY_HEADER + entry.bytes.length
      yield entry
    }
    if (dataEntries === 0 && position !== dataOffset) throw this.#invalid('metadata entries')
  }

  async #readEntry(position: number, end: number): Promise<JournalEntry> {
    if (position + ENTRY_HEADER > end) throw this.#invalid('end')
    const header = await this.#storage.read(position, ENTRY_HEADER)
    if (header.readBigUInt64BE(0) !== ENTRY_COOKIE) throw this.#invalid('entry cookie')
    const size = header.readUInt32BE(12)
    const limit = Math.min(MAX_ENTRY, end - position - ENTRY_HEADER)
    if (size === 0 || size % SECTOR_SIZE !== 0 || size > limit) throw this.#invalid(`entry size ${size}`)
    const bytes = await this.#storage.read(position + ENTRY_HEADER, size)
    const entry = { type: header.readUInt32BE(8), offset: Number(header.readBigUInt64BE(16)), bytes }
    if (entryChecksum(header, bytes) !== header.readUInt32BE(CHECKSUM_OFFSET)) throw this.#invalid('entry checksum')
    return entry
  }

  async #writeHeader(header: JournalHeader): Promise<void> {
    await this.#storage.write(packHeader(header), 0)
    this.#header = header
  }

  #invalid(what: string): Error {
    return vhdError('EINVAL', `journal ${this.path} is invalid: ${what}`)
  }
}

/** Starts an empty journal on a new file or an existing block device (spec vhd 9.2). Throws EEXIST where a file is. */
export async function createJournal(
  files: Files,
  path: string,
  disk: { readonly uuid: string; readonly footerOffset: number },
): Promise<ResizeJournal> {
  const storage = (await isBlockDevice(files, path))
    ? await openStorage(files, path, true)
    : new Storage(await files.create(path, { exclusive: true }), 0, false)
  const start = { dataEntries: 0, metadataEntries: 0, dataOffset: SECTOR_SIZE, metadataOffset: SECTOR_SIZE }
  const header = { ...disk, ...start, end: SECTOR_SIZE }
  try {
    await storage.write(packHeader(header), 0)
  } catch (error) {
    await storage.close()
    if (!storage.isDevice) await files.unlinkIfPresent(path)
    throw error
  }
  return new ResizeJournal(storage, header)
}

/** Opens a journal. Throws ENOENT, EPIPE for one that is cut off, EINVAL for what is none. */
export async function openJournal(files: Files, path: string): Promise<ResizeJournal> {
  const storage = await openStorage(files, path, false)
  try {
    const raw = storage.size < SECTOR_SIZE ? Buffer.alloc(0) : await storage.read(0, SECTOR_SIZE)
    if (raw.every(byte => byte === 0)) throw vhdError('EPIPE', `journal ${path} is cut off`)
    return new ResizeJournal(storage, unpackHeader(raw, path, storage.size))
  } catch (error) {
    await storage.close()
    throw error
  }
}

/** Removes a journal; on a block device its content stays (spec vhd 7.10). */
export async function removeJournal(files: Files, path: string): Promise<void> {
  if (!(await isBlockDevice(files, path))) await files.unlink(path)
}

async function isBlockDevice(files: Files, path: string): Promise<boolean> {
  try {
    return (await files.stat(path)).isBlockDevice()
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
}

function packHeader(header: JournalHeader): Buffer {
  const raw = Buffer.alloc(SECTOR_SIZE)
  raw.write(COOKIE, 'latin1')
  uuidToBytes(header.uuid).copy(raw, 8)
  raw.writeBigUInt64BE(BigInt(header.footerOffset), 24)
  raw.writeUInt32BE(header.dataEntries, 32)
  raw.writeUInt32BE(header.metadataEntries, 36)
  raw.writeBigUInt64BE(BigInt(header.dataOffset), 40)
  raw.writeBigUInt64BE(BigInt(header.metadataOffset), 48)
  raw.writeBigUInt64LE(BigInt(header.end), 56)
  return raw
}

function unpackHeader(raw: Buffer, path: string, size: number): JournalHeader {
  if (raw.toString('latin1', 0, 8) !== COOKIE) throw vhdError('EINVAL', `${path} is no resize journal`)
  const header = {
    uuid: bytesToUuid(raw.subarray(8, 24)),
    footerOffset: Number(raw.readBigUInt64BE(24)),
    dataEntries: raw.readUInt32BE(32),
    metadataEntries: raw.readUInt32BE(36),
    dataOffset: Number(raw.readBigUInt64BE(40)),
    metadataOffset: Number(raw.readBigUInt64BE(48)),
    end: Number(raw.readBigUInt64LE(56)),
  }
  const { dataOffset, metadataOffset, end } = header
  if (metadataOffset > dataOffset || dataOffset > end) throw vhdError('EINVAL', `journal ${path}: offsets out of order`)
  if (end > size) throw vhdError('EPIPE', `journal ${path} is cut off`)
  return header
}

function packEntryHeader({ type, offset, bytes }: JournalEntry): Buffer {
  const raw = Buffer.alloc(ENTRY_HEADER)
  raw.writeBigUInt64BE(ENTRY_COOKIE, 0)
  raw.writeUInt32BE(type, 8)
  raw.writeUInt32BE(bytes.length, 12)
  raw.writeBigUInt64BE(BigInt(offset), 16)
  raw.writeUInt32BE(entryChecksum(raw, bytes), CHECKSUM_OFFSET)
  return raw
}

/** Over the header as it is, padding included, with the checksum taken as zero. */
function entryChecksum(header: Buffer, bytes: Buffer): number {
  return complementOfSum(header.subarray(0, CHECKSUM_OFFSET), header.subarray(CHECKSUM_OFFSET + 4), bytes)
}
