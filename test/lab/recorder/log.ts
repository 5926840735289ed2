import { execFileSync } from 'node:child_process'
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'

/** Something that a recorded disk was told to do. */
export type DiskEvent =
  | { readonly kind: 'write'; readonly offset: number; readonly data: Buffer; readonly durable: boolean }
  | { readonly kind: 'flush' }

const HEADER_BYTES = 16
const KIND_WRITE = 1
const KIND_DURABLE_WRITE = 2
const KIND_FLUSH = 3
/** No client of the recorder sends more in one request. */
const MAX_WRITE_BYTES = 64 * 1024 * 1024

/** Appends events to a log. Each is a header (kind, length, offset, little-endian) and the data of a write. */
export class EventLog {
  readonly #fd: number

  constructor(file: string) {
    this.#fd = openSync(file, 'a')
  }

  append(event: DiskEvent): void {
    const header = Buffer.alloc(HEADER_BYTES)
    if (event.kind === 'flush') {
      header.writeUInt32LE(KIND_FLUSH, 0)
      writeSync(this.#fd, header)
      return
    }
    header.writeUInt32LE(event.durable ? KIND_DURABLE_WRITE : KIND_WRITE, 0)
    header.writeUInt32LE(event.data.length, 4)
    header.writeBigUInt64LE(BigInt(event.offset), 8)
    writeSync(this.#fd, Buffer.concat([header, event.data]))
  }

  close(): void {
    closeSync(this.#fd)
  }
}

/** The events of a log in order. A last one that is not whole is left out. */
export function* eventsOf(file: string): Generator<DiskEvent> {
  const fd = openSync(file, 'r')
  try {
    const { size } = fstatSync(fd)
    const header = Buffer.alloc(HEADER_BYTES)
    for (let at = 0; at + HEADER_BYTES <= size;) {
      readSync(fd, header, 0, HEADER_BYTES, at)
      const kind = header.readUInt32LE(0)
      const length = header.readUInt32LE(4)
      at += HEADER_BYTES
      if (length > MAX_WRITE_BYTES) throw new Error(`${file}: no event before byte ${at}`)
      if (at + length > size) return
      if (kind === KIND_FLUSH) yield { kind: 'flush' }
      else {
        const data = Buffer.alloc(length)
        readSync(fd, data, 0, length, at)
        const offset = Number(header.readBigUInt64LE(8))
        yield { kind: 'write', offset, data, durable: kind === KIND_DURABLE_WRITE }
      }
      at += length
    }
  } finally {
    closeSync(fd)
  }
}

export interface Cut {
  /** How many events had happened. */
  readonly after: number
  /** With a number, the disk had a volatile cache: each write since the last flush is there or not, by this seed. */
  readonly lose?: number
  /** Writes below this byte are never lost. */
  readonly keepBelow?: number
}

/** Makes the image that a disk, which began as `base`, has after a power cut. */
export function rebuild(log: string, base: string, output: string, cut: Cut): void {
  const events: DiskEvent[] = []
  for (const event of eventsOf(log)) {
    if (events.length === cut.after) break
    events.push(event)
  }
  const flushed = events.findLastIndex(event => event.kind === 'flush')
  const isLost = cut.lose === undefined ? () => false : coin(cut.lose)
  // Unlike a copy by Node this one leaves holes where the disk has them.
  execFileSync('cp', ['--sparse=always', base, output])
  const fd = openSync(output, 'r+')
  try {
    for (const [index, event] of events.entries()) {
      if (event.kind === 'flush') continue
      if (index > flushed && !event.durable && event.offset >= (cut.keepBelow ?? 0) && isLost()) continue
      writeSync(fd, event.data, 0, event.data.length, event.offset)
    }
  } finally {
    closeSync(fd)
  }
}

/** A fair coin that falls the same way for the same seed (mulberry32). */
function coin(seed: number): () => boolean {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % 2 === 1
  }
}
