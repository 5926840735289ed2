import { constants, openSync } from 'node:fs'
import { loadLibc } from './libc.ts'
import { ReadHandle } from './ReadHandle.ts'

/** Offsets, lengths and memory addresses of direct reads are multiples of this: enough for every disk, bytes. */
const ALIGNMENT = 4096
const MAX_READ = 1024 * 1024

/** An open file that is read past the page cache, in whole blocks. */
class DirectHandle extends ReadHandle {
  readonly #addressOf: (memory: Buffer) => bigint

  constructor(fd: number, addressOf: (memory: Buffer) => bigint) {
    super(fd, false)
    this.#addressOf = addressOf
  }

  override async read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ bytesRead: number }> {
    const before = position % ALIGNMENT
    const wanted = Math.min(length, MAX_READ - before)
    const blocks = this.#allocate(Math.ceil((before + wanted) / ALIGNMENT) * ALIGNMENT)
    const { bytesRead } = await super.read(blocks, 0, blocks.length, position - before)
    const got = Math.max(0, Math.min(bytesRead - before, wanted))
    blocks.copy(buffer, offset, before, before + got)
    return { bytesRead: got }
  }

  #allocate(length: number): Buffer {
    const memory = Buffer.allocUnsafeSlow(length + ALIGNMENT)
    const excess = Number(this.#addressOf(memory) % BigInt(ALIGNMENT))
    const start = excess === 0 ? 0 : ALIGNMENT - excess
    return memory.subarray(start, start + length)
  }
}

/** Opens for reading past the page cache. Throws EINVAL where the file system has no such way. */
export async function openDirectly(path: string): Promise<ReadHandle> {
  const { addressOf } = await loadLibc()
  return new DirectHandle(openSync(path, constants.O_RDONLY | constants.O_DIRECT), addressOf)
}
