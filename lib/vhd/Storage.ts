import type { BigIntStats } from 'node:fs'
import type { Files, OpenFile } from '../os/files.ts'
import { vhdError } from './errors.ts'
import { SECTOR_SIZE } from './layout.ts'

/** The regular file or block device that holds an image, with its size kept up to date through our own changes. */
export class Storage {
  readonly file: OpenFile
  readonly isDevice: boolean
  #size: number
  #head: Buffer = Buffer.alloc(0)

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

  /** Writes all of `bytes`. Throws ENOSPC past the end of a device. */
  async write(bytes: Buffer, position: number): Promise<void> {
    const end = position + bytes.length
    if (this.isDevice && end > this.#size) throw vhdError('ENOSPC', `${this.path} ends before ${end}`)
    this.#head = Buffer.alloc(0)
    await this.file.write(bytes, position)
    this.#size = Math.max(this.#size, end)
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

/** Creates or empties a file; an existing block device is opened as it is (spec vhd 5, 7.1). */
export async function createStorage(files: Files, path: string): Promise<Storage> {
  if ((await files.exists(path)) && (await files.stat(path)).isBlockDevice()) return openStorage(files, path, true)
  return new Storage(await files.create(path, { mode: 0o644 }), 0, false)
}

/** `stat` says 0 for a device; the kernel tells its sectors in sysfs. */
async function deviceSize(files: Files, { rdev }: BigIntStats): Promise<number> {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n)
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)
  return Number(await files.readText(`/sys/dev/block/${major}:${minor}/size`)) * SECTOR_SIZE
}
