import type { ByteRange } from './DiskImage.ts'
import { SECTOR_SIZE } from './layout.ts'
import type { Storage } from './Storage.ts'
import type { Layer, LayerRun } from './VhdLayer.ts'

/** A raw root or the data of a fixed disk: nothing is below, what is past its end is zero (spec datapath 13). */
export class RawLayer implements Layer {
  readonly storage: Storage
  readonly #size: number

  constructor(storage: Storage, size: number) {
    this.storage = storage
    this.#size = size
  }

  get path(): string {
    return this.storage.path
  }

  locate(first: number, end: number): Promise<LayerRun[]> {
    const held = Math.max(first, Math.min(end, Math.ceil(this.#size / SECTOR_SIZE)))
    const runs = [
      { first, end: held, position: first * SECTOR_SIZE },
      { first: held, end, position: undefined },
    ]
    return Promise.resolve(runs.filter(run => run.first < run.end))
  }

  /** A raw image may end within a sector. */
  async readInto(target: Buffer, position: number): Promise<void> {
    const held = target.subarray(0, Math.max(0, this.#size - position))
    await this.storage.readInto(held, position)
    target.fill(0, held.length)
  }

  *ranges(): IterableIterator<ByteRange> {
    if (this.#size > 0) yield { offset: 0, length: this.#size }
  }

  async close(): Promise<void> {
    await this.storage.close()
  }
}
