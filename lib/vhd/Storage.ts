import type { BigIntStats } from 'node:fs'
import type { Files } from '../os/files.ts'
import type { OpenFile } from '../os/OpenFile.ts'
import { vhdError } from './errors.ts'
import { SECTOR_SIZE } from './layout.ts'

/** Bytes copied or zeroed at a time where that passes through this process. */
const CHUNK = 1024 * 1024

/** Shorter copies are not worth a system call of their own. */
const MIN_KERNEL_COPY = 32 * 1024

/** Byte offsets in the source and here. */
export interface CopyRange {
  readonly from: number
  readonly to: number
  readonly length: number
}

/** The regular file or block device that holds an image, with its size kept up to date through our own changes. */
export class Storage {
  readonly file: OpenFile
  readonly isDevice: boolean
  #size: number
  #head: Buffer = Buffer.alloc(0)
  /** Set once copying inside the kernel turned out not to work into this file. */
  #copiesByHand = false

  constructor(file: OpenFile, size: number, isDevice: boolean) {
    this.file = file
    this.#size = size
    this.isDevice = isDevice
  }

  get path(): string {
    return this.file.path
  }

  get size(): number {
    return this.#size
  }

  /** Fetches the first bytes in one read, so that the next reads among them need none. */
  async prefetch(length: number): Promise<void> {
    this.#head = await this.file.read(0, Math.min(length, this.#size))
  }

  /** Reads exactly `length` bytes. Throws EIO where the file ends before (spec vhd 3). */
  async read(position: number, length: number): Promise<Buffer> {
    if (position + length > this.#size) {
      throw vhdError('EIO', `${this.path} ends before ${position + length}`)
    }
    if (position + length <= this.#head.length) {
      return Buffer.from(this.#head.subarray(position, position + length))
    }
    const bytes = await this.file.read(position, length)
    if (bytes.length < length) throw vhdError('EIO', `short read of ${this.path} at ${position}`)
    return bytes
  }

  /** Fills all of `target`. Throws EIO where the file ends before. */
  async readInto(target: Buffer, position: number): Promise<void> {
    const end = position + target.length
    if (end > this.#size) throw vhdError('EIO', `${this.path} ends before ${end}`)
    const filled = await this.file.readInto(target, position)
    if (filled < target.length) throw vhdError('EIO', `short read of ${this.path} at ${position}`)
  }

  /** Writes all of `bytes`. Throws ENOSPC past the end of a device. */
  async write(bytes: Buffer, position: number): Promise<void> {
    const end = this.#beforeChange(position, bytes.length)
    await this.file.write(bytes, position)
    this.#size = Math.max(this.#size, end)
  }

  /** Copies a part of another image to here. Throws EIO where the source ends before, ENOSPC past the end of a device. */
  async copyFrom(source: Storage, range: CopyRange): Promise<void> {
    const end = this.#beforeChange(range.to, range.length)
    if (range.from + range.length > source.size) throw vhdError('EIO', `${source.path} ends before the block's end`)
    if (!(await this.#copyInKernel(source, range))) await this.#copyByHand(source, range)
    this.#size = Math.max(this.#size, end)
  }

  /** Makes whole sectors read as zeroes, as a hole where the file system can. Throws ENOSPC past the end of a device. */
  async makeZero(position: number, length: number): Promise<void> {
    const end = this.#beforeChange(position, length)
    const inside = Math.min(length, this.#size - position)
    if (inside > 0 && !(await this.punchHole(position, inside))) await this.writeZeroes(position, inside)
    // What lies behind the end reads as zeroes once the file reaches that far.
    if (end > this.#size) await this.write(Buffer.alloc(SECTOR_SIZE), end - SECTOR_SIZE)
  }

  /** Writes zeroes, so that the range has room of its own. Throws ENOSPC past the end of a device. */
  async writeZeroes(position: number, length: number): Promise<void> {
    const zeroes = Buffer.alloc(Math.min(length, CHUNK))
    for (let done = 0; done < length; done += zeroes.length) {
      await this.write(zeroes.subarray(0, Math.min(zeroes.length, length - done)), position + done)
    }
  }

  /** Gives the room of a range back; it reads as zeroes then. False, and nothing changed, where that cannot be done. */
  async punchHole(position: number, length: number): Promise<boolean> {
    this.#beforeChange(position, length)
    return this.file.punchHole(position, length)
  }

  async #copyInKernel(source: Storage, range: CopyRange): Promise<boolean> {
    if (this.#copiesByHand || range.length < MIN_KERNEL_COPY) return false
    this.#copiesByHand = !(await this.file.copyFrom(source.file, range))
    return !this.#copiesByHand
  }

  async #copyByHand(source: Storage, { from, to, length }: CopyRange): Promise<void> {
    const chunk = Buffer.allocUnsafe(Math.min(length, CHUNK))
    for (let done = 0; done < length; done += chunk.length) {
      const piece = chunk.subarray(0, Math.min(chunk.length, length - done))
      await source.readInto(piece, from + done)
      await this.write(piece, to + done)
    }
  }

  /** Returns where the change ends. What was fetched ahead may be old from now on. */
  #beforeChange(position: number, length: number): number {
    const end = position + length
    if (this.isDevice && end > this.#size) throw vhdError('ENOSPC', `${this.path} ends before ${end}`)
    this.#head = Buffer.alloc(0)
    return end
  }

  /** Cuts or extends a file; a device stays as it is. */
  async setLength(length: number): Promise<void> {
    if (this.isDevice || length === this.#size) return
    await this.file.truncate(length)
    this.#size = length
  }

  async sync(): Promise<void> {
    await this.file.sync()
  }

  async close(): Promise<void> {
    await this.file.close()
  }
}

/**
 * Opens an existing image. Only regular files and block devices are opened at all: a pipe would block.
 * Throws EISDIR for a directory, EINVAL for anything else.
 */
export async function openStorage(files: Files, path: string, write: boolean): Promise<Storage> {
  const stats = await files.identity(path)
  if (stats.isDirectory()) throw vhdError('EISDIR', `${path} is a directory`)
  if (!stats.isFile() && !stats.isBlockDevice()) {
    throw vhdError('EINVAL', `${path} is not a regular file or block device`)
  }
  const file = write ? await files.openWrite(path) : await files.openRead(path)
  try {
    const size = stats.isBlockDevice() ? await deviceSize(files, stats) : Number(stats.size)
    return new Storage(file, size, stats.isBlockDevice())
  } catch (error) {
    await file.close()
    throw error
  }
}

/** Opens a file of which its directory says that it is a regular one; for reading. `immediate` as for `ReadHandle`. */
export async function openRegularStorage(files: Files, path: string, immediate: boolean): Promise<Storage> {
  const file = await files.openRegular(path, immediate)
  return new Storage(file, (await file.stat()).size, false)
}

/** Creates or empties a file; an existing block device is opened as it is (spec vhd 5, 7.1). */
export async function createStorage(files: Files, path: string): Promise<Storage> {
  if ((await files.exists(path)) && (await files.stat(path)).isBlockDevice()) return openStorage(files, path, true)
  return new Storage(await files.create(path, { mode: 0o644 }), 0, false)
}

/** Bytes of a block device: `stat` says 0 for one, and the kernel tells its sectors in sysfs. */
export async function deviceSize(files: Files, { rdev }: BigIntStats): Promise<number> {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n)
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)
  return Number(await files.readText(`/sys/dev/block/${major}:${minor}/size`)) * SECTOR_SIZE
}
