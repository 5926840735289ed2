import { once } from 'node:events'
import * as net from 'node:net'
import { ByteReader } from '../../lib/datapath/nbd/ByteReader.ts'
import { reachableSocket } from '../../lib/os/socket-path.ts'

const [SIMPLE_REPLY, STRUCTURED_REPLY] = [0x67446698, 0x668e33ef]
const [DATA, STATUS, ERROR_BIT] = [1, 5, 0x8000]
/** Of a chunk: its reply ends with it. Of an extent: it reads as zeroes. */
const [DONE, ZERO] = [1, 2]

export interface Extent {
  readonly length: number
  readonly isZero: boolean
}

/** A client that speaks just enough NBD to read and write, one request at a time, and to ask where zeroes are. */
export class NbdClient {
  readonly size: number
  readonly isReadOnly: boolean
  readonly closed: Promise<void>
  readonly #socket: net.Socket
  readonly #reader: ByteReader
  #next = 1n

  private constructor(socket: net.Socket, reader: ByteReader, size: number, flags: number) {
    this.#socket = socket
    this.#reader = reader
    this.size = size
    this.isReadOnly = (flags & 2) !== 0
    // Whatever ended it.
    this.closed = new Promise(resolve => {
      socket.once('close', () => {
        resolve()
      })
    })
  }

  /** With `allocation` it may ask for extents. */
  static async connect(path: string, name: string, { allocation = false } = {}): Promise<NbdClient> {
    const reachable = reachableSocket(path)
    const socket = net.connect(reachable.path)
    await once(socket, 'connect')
    reachable.release()
    socket.on('error', () => undefined)
    const reader = new ByteReader(socket)
    await reader.read(18)
    socket.write(Buffer.from([0, 0, 0, 3]))
    if (allocation) await askForAllocation(socket, reader, name)
    socket.write(option(1, Buffer.from(name)))
    const answer = await reader.read(10)
    return new NbdClient(socket, reader, Number(answer.readBigUInt64BE(0)), answer.readUInt16BE(8))
  }

  async read(offset: number, length: number): Promise<Buffer> {
    return this.#request(0, { offset, length, expects: length })
  }

  /** Asks for bytes without taking them; `taken` does. */
  ask(offset: number, length: number): void {
    this.#send(0, offset, length)
  }

  async taken(length: number): Promise<Buffer> {
    return this.#reply(length)
  }

  async write(offset: number, bytes: Buffer): Promise<void> {
    await this.#request(1, { offset, length: bytes.length, data: bytes })
  }

  async flush(): Promise<void> {
    await this.#request(3, { offset: 0, length: 0 })
  }

  /** Extents from `offset` on; there may be more of them in the range. */
  async extents(offset: number, length: number): Promise<Extent[]> {
    const payload = await this.#request(7, { offset, length })
    const found: Extent[] = []
    for (let at = 4; at < payload.length; at += 8) {
      found.push({ length: payload.readUInt32BE(at), isZero: (payload.readUInt32BE(at + 4) & ZERO) !== 0 })
    }
    return found
  }

  /** Without a word. */
  close(): void {
    this.#socket.destroy()
  }

  /** Says that it leaves, and waits until the server has let go of it. */
  async disconnect(): Promise<void> {
    this.#send(2, 0, 0)
    await this.closed
  }

  async #request(
    type: number,
    { offset, length, data, expects = 0 }: { offset: number; length: number; data?: Buffer; expects?: number },
  ): Promise<Buffer> {
    this.#send(type, offset, length, data)
    return this.#reply(expects)
  }

  #send(type: number, offset: number, length: number, data: Buffer = Buffer.alloc(0)): void {
    const head = Buffer.alloc(28)
    head.writeUInt32BE(0x25609513, 0)
    head.writeUInt16BE(type, 6)
    head.writeBigUInt64BE(this.#next++, 8)
    head.writeBigUInt64BE(BigInt(offset), 16)
    head.writeUInt32BE(length, 24)
    this.#socket.write(head)
    if (data.length > 0) this.#socket.write(data)
  }

  async #reply(expects: number): Promise<Buffer> {
    const head = await this.#reader.read(16)
    if (head.readUInt32BE(0) === SIMPLE_REPLY) {
      requireSuccess(head.readUInt32BE(4))
      return this.#reader.read(expects)
    }
    if (head.readUInt32BE(0) !== STRUCTURED_REPLY) throw new Error('the server does not speak NBD')
    const payload = await this.#reader.read((await this.#reader.read(4)).readUInt32BE(0))
    const type = head.readUInt16BE(6)
    if ((type & ERROR_BIT) !== 0) requireSuccess(payload.readUInt32BE(0))
    // This client is for our own server, which says all in one chunk.
    if ((head.readUInt16BE(4) & DONE) === 0 || (type !== DATA && type !== STATUS)) throw new Error(`chunk ${type}`)
    return type === DATA ? payload.subarray(8) : payload
  }
}

async function askForAllocation(socket: net.Socket, reader: ByteReader, name: string): Promise<void> {
  const context = 'base:allocation'
  const contexts = Buffer.concat([sized(name), Buffer.from([0, 0, 0, 1]), sized(context)])
  socket.write(Buffer.concat([option(8, Buffer.alloc(0)), option(10, contexts)]))
  for (let acknowledged = 0; acknowledged < 2;) {
    const head = await reader.read(20)
    if (head.readUInt32BE(12) === 1) acknowledged += 1
    else if (head.readInt32BE(12) < 0) throw new Error('the server does not tell where zeroes are')
    await reader.read(head.readUInt32BE(16))
  }
}

function option(number: number, data: Buffer): Buffer {
  const head = Buffer.alloc(16)
  head.write('IHAVEOPT', 0)
  head.writeUInt32BE(number, 8)
  head.writeUInt32BE(data.length, 12)
  return Buffer.concat([head, data])
}

function sized(text: string): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(Buffer.byteLength(text), 0)
  return Buffer.concat([length, Buffer.from(text)])
}

function requireSuccess(error: number): void {
  if (error !== 0) throw new Error(`the server answers ${error}`)
}
