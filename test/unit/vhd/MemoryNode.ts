import { errnoError } from '../../../lib/os/effects.ts'

const PAGE = 4096
const SECTOR = 512
/** As on ext4. */
const MAX_FILE = 16 * 1024 ** 4

type Change = { readonly position: number; readonly bytes: Buffer } | { readonly length: number }

let inodes = 0

/** One file in memory: sparse, with what a power cut would leave of it. */
export class MemoryNode {
  readonly inode: number
  #pages = new Map<number, Buffer>()
  #size = 0
  /** Content and size at the last sync, and what was done since. */
  #durable: { readonly pages: ReadonlyMap<number, Buffer>; readonly size: number }
  #unsynced: Change[] = []

  constructor(bytes: Buffer) {
    inodes += 1
    this.inode = inodes
    this.#durable = { pages: new Map(), size: 0 }
    this.write(bytes, 0)
    this.sync()
  }

  get size(): number {
    return this.#size
  }

  /** Fills `target` as far as the file goes; returns how far. */
  read(target: Buffer, position: number): number {
    requirePosition(position)
    const length = Math.max(0, Math.min(target.length, this.#size - position))
    for (let done = 0; done < length;) {
      const at = position + done
      const count = Math.min(length - done, PAGE - (at % PAGE))
      const page = this.#pages.get(Math.floor(at / PAGE))
      if (page === undefined) target.fill(0, done, done + count)
      else page.copy(target, done, at % PAGE, (at % PAGE) + count)
      done += count
    }
    return length
  }

  write(bytes: Buffer, position: number): void {
    requireRoom(position, bytes.length)
    this.#unsynced.push({ position, bytes: Buffer.from(bytes) })
    this.#apply(bytes, position)
  }

  truncate(length: number): void {
    requireRoom(length, 0)
    this.#unsynced.push({ length })
    this.#cut(length)
  }

  sync(): void {
    this.#durable = { pages: new Map(this.#pages), size: this.#size }
    this.#unsynced = []
  }

  /**
   * Cuts the power: of what was done since the last sync each sector that `survives` says is there, in any order as far as
   * the others are concerned.
   */
  cutPower(survives: () => boolean): void {
    const changes = this.#unsynced
    this.#pages = new Map(this.#durable.pages)
    this.#size = this.#durable.size
    for (const change of changes) {
      if ('length' in change) {
        if (survives()) this.#cut(change.length)
        continue
      }
      for (let at = 0; at < change.bytes.length; at += SECTOR) {
        if (survives()) this.#apply(change.bytes.subarray(at, at + SECTOR), change.position + at)
      }
    }
    this.sync()
  }

  content(): Buffer {
    const bytes = Buffer.alloc(this.#size)
    this.read(bytes, 0)
    return bytes
  }

  /** Pages are never changed in place: a snapshot of the map is a snapshot of the content. */
  #apply(bytes: Buffer, position: number): void {
    for (let done = 0; done < bytes.length;) {
      const at = position + done
      const index = Math.floor(at / PAGE)
      const count = Math.min(bytes.length - done, PAGE - (at % PAGE))
      const page = Buffer.from(this.#pages.get(index) ?? Buffer.alloc(PAGE))
      bytes.copy(page, at % PAGE, done, done + count)
      this.#pages.set(index, page)
      done += count
    }
    this.#size = Math.max(this.#size, position + bytes.length)
  }

  #cut(length: number): void {
    for (const index of this.#pages.keys()) if (index * PAGE >= length) this.#pages.delete(index)
    const last = this.#pages.get(Math.floor(length / PAGE))
    if (last !== undefined && length < this.#size) {
      const page = Buffer.from(last)
      page.fill(0, length % PAGE)
      this.#pages.set(Math.floor(length / PAGE), page)
    }
    this.#size = length
  }
}

function requireRoom(position: number, length: number): void {
  requirePosition(position)
  if (position + length > MAX_FILE) throw errnoError('EFBIG', `${position}+${length}`)
}

/** Node throws for these too, and it is no system error. */
function requirePosition(position: number): void {
  if (!Number.isSafeInteger(position) || position < 0) throw new RangeError(`position ${position}`)
}
