import type { Files } from '../os/files.ts'
import { asVhdError } from './errors.ts'
import { type ByteRange, requireRange, type WritableDiskImage } from './DiskImage.ts'
import { openStorage, type Storage } from './Storage.ts'

/** A disk whose bytes are those of its file: a raw image or the data of a fixed VHD. */
export class RawImage implements WritableDiskImage {
  readonly virtualSize: number
  readonly #storage: Storage
  #changed = false

  constructor(storage: Storage, virtualSize: number) {
    this.#storage = storage
    this.virtualSize = virtualSize
  }

  get images(): readonly string[] {
    return [this.#storage.path]
  }

  async read(position: number, length: number): Promise<Buffer> {
    requireRange(this, position, length)
    return asVhdError(this.#storage.path, () => this.#storage.read(position, length))
  }

  async write(position: number, bytes: Buffer): Promise<void> {
    requireRange(this, position, bytes.length)
    this.#changed = true
    await asVhdError(this.#storage.path, () => this.#storage.write(bytes, position))
  }

  async flush(): Promise<void> {
    if (!this.#changed) return
    await asVhdError(this.#storage.path, () => this.#storage.sync())
    this.#changed = false
  }

  allocatedRanges(): ByteRange[] {
    return this.virtualSize === 0 ? [] : [{ offset: 0, length: this.virtualSize }]
  }

  async close(): Promise<void> {
    await this.flush().finally(() => this.#storage.close())
  }
}

/** Opens a raw image; its size is the file's. Throws ENOENT, EISDIR, EINVAL for what is no file or block device. */
export async function openRaw(files: Files, path: string, write: boolean): Promise<RawImage> {
  const storage = await openStorage(files, path, write)
  return new RawImage(storage, storage.size)
}
