import type { Stats } from 'node:fs'
import { flushBuffers } from './blockDevice.ts'
import type { Effects } from './effects.ts'
import { copyRange, type FileRun, fileRuns, punchHole } from './ranges.ts'
import type { Handle } from './ReadHandle.ts'

/** An open file whose writes are announced as effects. Offsets and lengths are bytes. */
export class OpenFile {
  readonly #handle: Handle
  readonly #effects: Effects
  readonly path: string

  constructor(handle: Handle, effects: Effects, filePath: string) {
    this.#handle = handle
    this.#effects = effects
    this.path = filePath
  }

  get fd(): number {
    return this.#handle.fd
  }

  /** Reads up to `length` bytes; the result is shorter only where the file ends. */
  async read(position: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(length)
    const filled = await this.readInto(buffer, position)
    return filled === length ? buffer : buffer.subarray(0, filled)
  }

  /** Fills `buffer` from `position` and returns how many bytes the file had. */
  async readInto(buffer: Buffer, position: number): Promise<number> {
    let done = 0
    while (done < buffer.length) {
      const { bytesRead } = await this.#handle.read(buffer, done, buffer.length - done, position + done)
      if (bytesRead === 0) break
      done += bytesRead
    }
    return done
  }

  /** Writes all of `buffer` at `position`. */
  async write(buffer: Buffer, position: number): Promise<void> {
    this.#effects.before('file', `write ${this.path} ${position}+${buffer.length}`)
    let done = 0
    while (done < buffer.length) {
      const { bytesWritten } = await this.#handle.write(buffer, done, buffer.length - done, position + done)
      done += bytesWritten
    }
  }

  /**
   * Copies bytes of another file here inside the kernel, sharing blocks where the file system can. False where this
   * system or these two files have no such way, or the source ends before: part of it may have been copied.
   */
  async copyFrom(source: OpenFile, range: { from: number; to: number; length: number }): Promise<boolean> {
    this.#effects.before('file', `copy ${source.path} ${this.path} ${range.to}+${range.length}`)
    return copyRange(source.fd, this.fd, range)
  }

  /** Gives the room of a range back; it reads as zeroes then. False where the file system cannot: nothing has changed then. */
  async punchHole(position: number, length: number): Promise<boolean> {
    this.#effects.before('file', `punch ${this.path} ${position}+${length}`)
    return punchHole(this.fd, position, length)
  }

  /** Which parts of a range the file system has stored and which are holes, ascending and without gaps. */
  async runs(position: number, length: number): Promise<FileRun[]> {
    return fileRuns(this.fd, position, length)
  }

  async truncate(length: number): Promise<void> {
    this.#effects.before('file', `truncate ${this.path} ${length}`)
    await this.#handle.truncate(length)
  }

  async sync(): Promise<void> {
    this.#effects.before('file', `fsync ${this.path}`)
    await this.#handle.sync()
  }

  /**
   * Has this host forget what it keeps in memory of a block device, which another host may have changed since. What was
   * not written back yet is. Nothing happens for a file.
   */
  async dropCache(): Promise<void> {
    if (!(await this.stat()).isBlockDevice()) return
    this.#effects.before('file', `drop cache ${this.path}`)
    await flushBuffers(this.fd, this.path)
  }

  async stat(): Promise<Stats> {
    return this.#handle.stat()
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}
