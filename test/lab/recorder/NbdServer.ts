import type { Socket } from 'node:net'

/** The disk behind an NBD connection. Offsets and lengths are bytes. */
export interface Backend {
  readonly size: number
  read(offset: number, length: number): Buffer
  write(offset: number, data: Buffer, durable: boolean): void
  flush(): void
}

const MAGIC = 0x4e42444d41474943n
const OPTION_MAGIC = 0x49484156454f5054n
const OPTION_REPLY_MAGIC = 0x0003e889045565a9n
const REQUEST_MAGIC = 0x25609513
const REPLY_MAGIC = 0x67446698

const HANDSHAKE_FLAGS = 0b11
const TRANSMISSION_FLAGS = 0b1101 // has flags, FLUSH, FUA
const COMMAND_FUA = 1

const OPTION = { exportName: 1, abort: 2, info: 6, go: 7 }
const REPLY = { ack: 1, info: 3, unsupported: 0x80000001 }
const COMMAND = { read: 0, write: 1, disconnect: 2, flush: 3 }
const EINVAL = 22

const REQUEST_BYTES = 28
const MAX_LENGTH = 64 * 1024 * 1024

/** Serves one client of the NBD protocol (fixed newstyle handshake, simple replies) until it disconnects. */
export async function serveNbd(socket: Socket, backend: Backend): Promise<void> {
  const input = new Reader(socket)
  const hello = Buffer.alloc(18)
  hello.writeBigUInt64BE(MAGIC, 0)
  hello.writeBigUInt64BE(OPTION_MAGIC, 8)
  hello.writeUInt16BE(HANDSHAKE_FLAGS, 16)
  socket.write(hello)
  await input.take(4)
  if (await negotiate(socket, input, backend)) await transmit(socket, input, backend)
  socket.end()
}

/** False where the client gives up. */
async function negotiate(socket: Socket, input: Reader, backend: Backend): Promise<boolean> {
  for (;;) {
    const header = await input.take(16)
    const option = header.readUInt32BE(8)
    await input.take(bounded(header.readUInt32BE(12)))
    switch (option) {
      case OPTION.exportName:
        socket.write(exportDescription(backend))
        return true
      case OPTION.go:
      case OPTION.info:
        socket.write(optionReply(option, REPLY.info, Buffer.concat([Buffer.alloc(2), exportDescription(backend)])))
        socket.write(optionReply(option, REPLY.ack))
        if (option === OPTION.go) return true
        break
      case OPTION.abort:
        socket.write(optionReply(option, REPLY.ack))
        return false
      default:
        socket.write(optionReply(option, REPLY.unsupported))
    }
  }
}

function exportDescription({ size }: Backend): Buffer {
  const description = Buffer.alloc(10)
  description.writeBigUInt64BE(BigInt(size), 0)
  description.writeUInt16BE(TRANSMISSION_FLAGS, 8)
  return description
}

function optionReply(option: number, type: number, data: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(20)
  header.writeBigUInt64BE(OPTION_REPLY_MAGIC, 0)
  header.writeUInt32BE(option, 8)
  header.writeUInt32BE(type, 12)
  header.writeUInt32BE(data.length, 16)
  return Buffer.concat([header, data])
}

async function transmit(socket: Socket, input: Reader, backend: Backend): Promise<void> {
  for (;;) {
    const header = await input.take(REQUEST_BYTES)
    if (header.readUInt32BE(0) !== REQUEST_MAGIC) throw new Error('the client sends something else than requests')
    const command = header.readUInt16BE(6)
    const offset = Number(header.readBigUInt64BE(16))
    const length = bounded(header.readUInt32BE(24))
    const data = command === COMMAND.write ? await input.take(length) : undefined
    if (command === COMMAND.disconnect) return
    const reply = Buffer.alloc(16)
    reply.writeUInt32BE(REPLY_MAGIC, 0)
    header.copy(reply, 8, 8, 16)
    let answer: Buffer | undefined
    if (data !== undefined) backend.write(offset, data, (header.readUInt16BE(4) & COMMAND_FUA) !== 0)
    else if (command === COMMAND.read) answer = backend.read(offset, length)
    else if (command === COMMAND.flush) backend.flush()
    else reply.writeUInt32BE(EINVAL, 4)
    socket.write(answer === undefined ? reply : Buffer.concat([reply, answer]))
  }
}

function bounded(length: number): number {
  if (length > MAX_LENGTH) throw new Error(`a request of ${length} bytes`)
  return length
}

/** Takes exact numbers of bytes from a socket. */
class Reader {
  readonly #socket: Socket
  readonly #chunks: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)

  constructor(socket: Socket) {
    this.#socket = socket
    this.#chunks = (socket as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
  }

  async take(length: number): Promise<Buffer> {
    const parts: Buffer[] = [this.#rest]
    for (let have = this.#rest.length; have < length;) {
      const next = await this.#chunks.next()
      if (next.done === true) throw new Error(`${this.#socket.destroyed ? 'closed' : 'ended'} in the middle`)
      parts.push(next.value)
      have += next.value.length
    }
    const all = Buffer.concat(parts)
    this.#rest = all.subarray(length)
    return all.subarray(0, length)
  }
}
