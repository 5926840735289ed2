import type { ByteRange } from './DiskImage.ts'
import { SECTOR_SIZE } from './layout.ts'
import type { Storage } from './Storage.ts'
import type { Layer } from './VhdLayer.ts'

/** A raw root or the data of a fixed disk: nothing is below, what is past its end is zero (spec datapath 13). */
export class RawLayer implements Layer {
  readonly #storage: Storage
  readonly #size: number

  constructor(storage: Storage, size: number) {
    this.#storage = storage
    this.#size = size
  }

  get path(): string {
    return this.#storage.path
  }

  async fill(target: Buffer, sector: number): Promise<void> {
    const position = sector * SECTOR_SIZE
    const length = Math.min(target.length, this.#size - position)
    if (length > 0) (await this.#storage.read(position, length)).copy(target)
  }

  *ranges(): IterableIterator<ByteRange> {
    if (this.#size > 0) yield { offset: 0, length: this.#size }
  }

  async close(): Promise<void> {
    await this.#storage.close()
  }
}
