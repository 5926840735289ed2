import type { Readable } from 'node:stream'

/** The other side went away in the middle of something, or between two requests. */
export class EndOfInput extends Error {
  constructor() {
    super('the other side has gone')
    this.name = 'EndOfInput'
  }
}

/**
 * Reads exact lengths from a stream. Nothing is taken from it between calls, so a client that sends faster than it is
 * served waits.
 */
export class ByteReader {
  readonly #stream: Readable
  #wake: (() => void) | undefined

  constructor(stream: Readable) {
    this.#stream = stream
    for (const event of ['readable', 'end', 'close', 'error']) stream.on(event, () => this.#wake?.())
  }

  /** Throws EndOfInput where the stream ends before. */
  async read(length: number): Promise<Buffer> {
    if (length === 0) return Buffer.alloc(0)
    for (;;) {
      const bytes = this.#stream.read(length) as Buffer | null
      if (bytes?.length === length) return bytes
      // What is left of a stream that has ended is shorter than what was asked for.
      if (bytes !== null || this.#stream.readableEnded || this.#stream.destroyed) throw new EndOfInput()
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }

  /** Takes `length` bytes and drops them. */
  async skip(length: number): Promise<void> {
    const piece = 64 * 1024
    for (let left = length; left > 0; left -= piece) await this.read(Math.min(piece, left))
  }
}
