import { VhdError } from '../../vhd/VhdUtil.ts'
import { ALLOCATION_ID, CHUNK_DONE, CHUNKS, ERRNO, SIMPLE_REPLY_MAGIC, STRUCTURED_REPLY_MAGIC } from './protocol.ts'

/** Extents of a disk and their `base:allocation` state. */
export interface Extent {
  readonly length: number
  readonly state: number
}

/** A reply without chunks; `error` 0 is success (spec datapath 16). */
export function simpleReply(cookie: Buffer, error: number): Buffer {
  const head = Buffer.allocUnsafe(16)
  head.writeUInt32BE(SIMPLE_REPLY_MAGIC, 0)
  head.writeUInt32BE(error, 4)
  cookie.copy(head, 8)
  return head
}

/** The head of the one chunk that carries all data of a read. */
export function dataHead(cookie: Buffer, offset: number, length: number): Buffer {
  const head = chunkHead(cookie, { type: CHUNKS.offsetData, length: 8 + length, extra: 8 })
  head.writeBigUInt64BE(BigInt(offset), 20)
  return head
}

export function statusReply(cookie: Buffer, extents: readonly Extent[]): Buffer {
  const length = 4 + extents.length * 8
  const chunk = chunkHead(cookie, { type: CHUNKS.blockStatus, length, extra: length })
  chunk.writeUInt32BE(ALLOCATION_ID, 20)
  for (const [index, extent] of extents.entries()) {
    chunk.writeUInt32BE(extent.length, 24 + index * 8)
    chunk.writeUInt32BE(extent.state, 28 + index * 8)
  }
  return chunk
}

export function errorChunk(cookie: Buffer, error: number): Buffer {
  const chunk = chunkHead(cookie, { type: CHUNKS.error, length: 6, extra: 6 })
  chunk.writeUInt32BE(error, 20)
  chunk.writeUInt16BE(0, 24)
  return chunk
}

/** The number a client is told for what went wrong; `outside` for what lies past the end of the disk. */
export function wireError(error: unknown, outside: number): number {
  const code = error instanceof VhdError ? error.code : undefined
  if (code === 'ERANGE') return outside
  if (code === 'EROFS') return ERRNO.EPERM
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') return ERRNO.ENOSPC
  return code === 'ENOMEM' ? ERRNO.ENOMEM : ERRNO.EIO
}

function chunkHead(
  cookie: Buffer,
  { type, length, extra }: { readonly type: number; readonly length: number; readonly extra: number },
): Buffer {
  const head = Buffer.allocUnsafe(20 + extra)
  head.writeUInt32BE(STRUCTURED_REPLY_MAGIC, 0)
  head.writeUInt16BE(CHUNK_DONE, 4)
  head.writeUInt16BE(type, 6)
  cookie.copy(head, 8)
  head.writeUInt32BE(length, 16)
  return head
}
