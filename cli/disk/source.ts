import { createReadStream } from 'node:fs'
import { addAbortSignal } from 'node:stream'
import { OperationError, UsageError } from '../failures.ts'
import { isErrno } from '../../lib/os/files.ts'
import type { System } from '../../lib/os/system.ts'

/** What is imported: a raw image. */
export interface Source {
  readonly name: string
  /** Bytes; undefined where only reading tells. */
  readonly size: number | undefined
  /** The image in pieces of `COPY_BLOCK` bytes; only the last may be shorter. Throws AbortError once `stop` is aborted. */
  blocks(stop: AbortSignal): AsyncIterable<Buffer>
}

/** Bytes that are copied at a time: one block of a VHD. */
export const COPY_BLOCK = 2 * 1024 * 1024

/** Opens a file, or standard input for `-` or nothing. Throws OperationError for a directory, a missing file or a VHD. */
export async function openSource({ files }: System, name: string | undefined): Promise<Source> {
  if (name === undefined || name === '-') return standardInput()
  const stats = await files.stat(name).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) throw new OperationError(`there is no file ${name}`)
    throw error
  })
  if (stats.isDirectory()) throw new OperationError(`${name} is a directory`)
  const source = {
    name,
    size: stats.isFile() ? stats.size : undefined,
    blocks: (stop: AbortSignal) => inBlocks(createReadStream(name, { highWaterMark: COPY_BLOCK, signal: stop })),
  }
  if (stats.isFile()) await refuseVhd(files, name)
  return source
}

function standardInput(): Source {
  if (process.stdin.isTTY) throw new UsageError('nothing is piped in: name a file, or … | sm vdi-import VDI')
  return { name: 'standard input', size: undefined, blocks: stop => inBlocks(addAbortSignal(stop, process.stdin)) }
}

/** A VHD taken for a raw image would be a disk that no guest understands. */
async function refuseVhd(files: System['files'], name: string): Promise<void> {
  const start = await files.using(files.openRead(name), file => file.read(0, 8))
  if (start.toString('latin1') !== 'conectix') return
  throw new OperationError(`${name} is a VHD; only raw images can be imported`, [
    'Convert it first, for instance: qemu-img convert -f vpc -O raw FILE.vhd FILE.raw',
  ])
}

async function* inBlocks(stream: AsyncIterable<unknown>): AsyncIterable<Buffer> {
  let block = Buffer.allocUnsafe(COPY_BLOCK)
  let filled = 0
  for await (const chunk of stream) {
    if (!Buffer.isBuffer(chunk)) throw new TypeError('the input is not binary')
    for (let taken = 0; taken < chunk.length;) {
      const count = chunk.copy(block, filled, taken)
      taken += count
      filled += count
      if (filled < COPY_BLOCK) continue
      yield block
      block = Buffer.allocUnsafe(COPY_BLOCK)
      filled = 0
    }
  }
  if (filled > 0) yield block.subarray(0, filled)
}
