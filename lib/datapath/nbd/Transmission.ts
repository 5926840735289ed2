import type { StatusRange, WritableDiskImage } from '../../vhd/DiskImage.ts'
import type { Budget } from './Budget.ts'
import type { ByteReader } from './ByteReader.ts'
import type { Export } from './Export.ts'
import type { Agreement } from './handshake.ts'
import { COMMAND_FLAGS, COMMANDS, ERRNO, MAX_PAYLOAD, REQUEST_MAGIC, STATE } from './protocol.ts'
import { dataHead, errorChunk, type Extent, simpleReply, statusReply, wireError } from './replies.ts'

/** Requests of one client under way at a time. */
const MAX_IN_FLIGHT = 32

/** Extents told at a time. */
const MAX_EXTENTS = 2048

const STATES: Readonly<Record<StatusRange['kind'], number>> = { data: STATE.data, zero: STATE.zero, hole: STATE.hole }

interface Request {
  readonly flags: number
  readonly type: number
  readonly cookie: Buffer
  readonly offset: number
  readonly length: number
  readonly data: Buffer
}

export interface TransmissionOptions {
  readonly exported: Export
  readonly reader: ByteReader
  /** Sends buffers one after the other, with nothing of another reply between them. */
  readonly write: (...buffers: readonly Buffer[]) => Promise<void>
  readonly agreement: Agreement
  /** Bytes of data in memory, for all clients together. */
  readonly memory: Budget
}

/** Serves one client's requests, several at a time, each answered when it is done (spec datapath 16). */
export class Transmission {
  readonly #options: TransmissionOptions
  readonly #inFlight = new Set<Promise<void>>()
  #failure: unknown

  constructor(options: TransmissionOptions) {
    this.#options = options
  }

  /**
   * Returns when the client has asked for the end and all its requests are done. Throws EndOfInput where it left without,
   * and what `write` throws; the requests under way have ended then too.
   */
  async run(): Promise<void> {
    try {
      for (;;) {
        const request = await this.#next()
        if (request === undefined) return
        const task = this.#serve(request).finally(() => this.#inFlight.delete(task))
        this.#inFlight.add(task)
        if (this.#inFlight.size >= MAX_IN_FLIGHT) await Promise.race(this.#inFlight)
        if (this.#failure !== undefined) throw this.#failure as Error
      }
    } finally {
      await Promise.all(this.#inFlight)
    }
  }

  /** The next request with its data; undefined when the client ends or no longer speaks the protocol. */
  async #next(): Promise<Request | undefined> {
    const { exported, reader, memory } = this.#options
    await exported.ready
    const head = await reader.read(28)
    if (head.readUInt32BE(0) !== REQUEST_MAGIC) return undefined
    const type = head.readUInt16BE(6)
    if (type === COMMANDS.disconnect) return undefined
    const length = head.readUInt32BE(24)
    const carries = type === COMMANDS.write
    if (carries && length > MAX_PAYLOAD) return undefined
    if (usesMemory(type, length)) await memory.take(length)
    return {
      flags: head.readUInt16BE(4),
      type,
      cookie: head.subarray(8, 16),
      // Larger offsets than a number is exact for are past the end of every disk.
      offset: Number(head.readBigUInt64BE(16)),
      length,
      data: carries ? await reader.read(length).catch(this.#returning(length)) : NO_DATA,
    }
  }

  #returning(length: number): (error: unknown) => never {
    return error => {
      this.#options.memory.give(length)
      throw error
    }
  }

  /** Never throws: what went wrong goes to the client or, where that is gone, to `run`. */
  async #serve(request: Request): Promise<void> {
    try {
      await this.#options.write(...(await this.#answer(request)))
    } catch (error) {
      this.#failure ??= error
    } finally {
      if (usesMemory(request.type, request.length)) this.#options.memory.give(request.length)
    }
  }

  async #answer(request: Request): Promise<readonly Buffer[]> {
    const { structured } = this.#options.agreement
    const writes = request.type === COMMANDS.write || request.type === COMMANDS.writeZeroes
    const outside = writes ? ERRNO.ENOSPC : ERRNO.EINVAL
    try {
      if (!this.#isOnDisk(request)) return [this.#error(request, outside)]
      if (request.type === COMMANDS.read) return await this.#read(request)
      if (request.type === COMMANDS.blockStatus) return [await this.#status(request)]
      const error = await this.#change(request)
      return [simpleReply(request.cookie, error)]
    } catch (error) {
      return [
        structured
          ? this.#error(request, wireError(error, outside))
          : simpleReply(request.cookie, wireError(error, outside)),
      ]
    }
  }

  #error({ cookie }: Request, error: number): Buffer {
    return this.#options.agreement.structured ? errorChunk(cookie, error) : simpleReply(cookie, error)
  }

  #isOnDisk({ type, offset, length }: Request): boolean {
    return type === COMMANDS.flush || offset + length <= this.#options.exported.size
  }

  async #read(request: Request): Promise<readonly Buffer[]> {
    const { cookie, offset, length } = request
    if (length > MAX_PAYLOAD) return [this.#error(request, ERRNO.EOVERFLOW)]
    const data = await this.#options.exported.use(image => image.read(offset, length))
    return [this.#options.agreement.structured ? dataHead(cookie, offset, length) : simpleReply(cookie, 0), data]
  }

  async #status(request: Request): Promise<Buffer> {
    const { cookie, offset, length, flags } = request
    if (!this.#options.agreement.allocation || length === 0) return this.#error(request, ERRNO.EINVAL)
    const most = (flags & COMMAND_FLAGS.reqOne) === 0 ? MAX_EXTENTS : 1
    const extents = await this.#options.exported.use(async image => {
      const found: Extent[] = []
      for await (const range of image.status(offset, length)) {
        found.push({ length: range.length, state: STATES[range.kind] })
        if (found.length === most) break
      }
      return found
    })
    return statusReply(cookie, extents)
  }

  async #change(request: Request): Promise<number> {
    const { type, flags } = request
    const { exported } = this.#options
    if (type === COMMANDS.flush) {
      await exported.flush()
      return 0
    }
    const change = changeOf(request)
    if (change === undefined) return ERRNO.EINVAL
    await exported.change(change)
    if ((flags & COMMAND_FLAGS.fua) !== 0) await exported.flush()
    return 0
  }
}

const NO_DATA = Buffer.alloc(0)

function usesMemory(type: number, length: number): boolean {
  return (type === COMMANDS.read || type === COMMANDS.write) && length <= MAX_PAYLOAD
}

/** What a request does to the disk; undefined for a command that is not known. */
function changeOf({
  type,
  flags,
  offset,
  length,
  data,
}: Request): ((image: WritableDiskImage) => Promise<void>) | undefined {
  const allocate = (flags & COMMAND_FLAGS.noHole) !== 0
  switch (type) {
    case COMMANDS.write:
      return image => image.write(offset, data)
    case COMMANDS.writeZeroes:
      return image => image.writeZeroes(offset, length, { allocate })
    case COMMANDS.trim:
      return image => image.trim(offset, length)
    default:
      return undefined
  }
}
