import type { Files } from '../os/files.ts'
import { asVhdError } from './errors.ts'
import { type ByteRange, requireRange, type StatusRange, type WritableDiskImage } from './DiskImage.ts'
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
    await this.#change(position, bytes.length, () => this.#storage.write(bytes, position))
  }

  async writeZeroes(position: number, length: number, options: { readonly allocate?: boolean } = {}): Promise<void> {
    await this.#change(position, length, () =>
      options.allocate === true
        ? this.#storage.writeZeroes(position, length)
        : this.#storage.makeZero(position, length),
    )
  }

  async trim(position: number, length: number): Promise<void> {
    await this.#change(position, length, async () => {
      await this.#storage.punchHole(position, length)
    })
  }

  async flush(): Promise<void> {
    if (!this.#changed) return
    // Before the sync: what is written from here on is the next flush's.
    this.#changed = false
    await asVhdError(this.#storage.path, () => this.#storage.sync()).catch((error: unknown) => {
      this.#changed = true
      throw error
    })
  }

  async *status(position: number, length: number): AsyncIterableIterator<StatusRange> {
    requireRange(this, position, length)
    if (length === 0) return
    for (const run of await asVhdError(this.#storage.path, () => this.#storage.file.runs(position, length))) {
      yield { offset: run.position, length: run.length, kind: run.stored ? 'data' : 'zero' }
    }
  }

  allocatedRanges(): ByteRange[] {
    return this.virtualSize === 0 ? [] : [{ offset: 0, length: this.virtualSize }]
  }

  async #change(position: number, length: number, change: () => Promise<void>): Promise<void> {
    requireRange(this, position, length)
    if (length === 0) return
    await asVhdError(this.#storage.path, change).finally(() => {
      this.#changed = true
    })
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
