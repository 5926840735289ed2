import { once } from 'node:events'
import * as net from 'node:net'
import { ByteReader } from '../../../lib/datapath/nbd/ByteReader.ts'
import { reachableSocket } from '../../../lib/os/socket-path.ts'

/** A client that speaks just enough NBD to read and write, one request at a time, with simple replies. */
export class NbdClient {
  readonly size: number
  readonly isReadOnly: boolean
  readonly closed: Promise<unknown>
  readonly #socket: net.Socket
  readonly #reader: ByteReader
  #next = 1n

  private constructor(socket: net.Socket, reader: ByteReader, size: number, flags: number) {
    this.#socket = socket
    this.#reader = reader
    this.size = size
    this.isReadOnly = (flags & 2) !== 0
    this.closed = once(socket, 'close')
  }

  static async connect(path: string, name: string): Promise<NbdClient> {
    const reachable = reachableSocket(path)
    const socket = net.connect(reachable.path)
    await once(socket, 'connect')
    reachable.release()
    socket.on('error', () => undefined)
    const reader = new ByteReader(socket)
    await reader.read(18)
    const hello = Buffer.alloc(20 + name.length)
    hello.writeUInt32BE(3, 0)
    hello.write('IHAVEOPT', 4)
    hello.writeUInt32BE(1, 12)
    hello.writeUInt32BE(name.length, 16)
    hello.write(name, 20)
    socket.write(hello)
    const answer = await reader.read(10)
    return new NbdClient(socket, reader, Number(answer.readBigUInt64BE(0)), answer.readUInt16BE(8))
  }

  async read(offset: number, length: number): Promise<Buffer> {
    await this.#request(0, offset, length)
    return this.#reader.read(length)
  }

  async write(offset: number, bytes: Buffer): Promise<void> {
    await this.#request(1, offset, bytes.length, bytes)
  }

  async flush(): Promise<void> {
    await this.#request(3, 0, 0)
  }

  close(): void {
    this.#socket.destroy()
  }

  async #request(type: number, offset: number, length: number, data: Buffer = Buffer.alloc(0)): Promise<void> {
    const head = Buffer.alloc(28)
    head.writeUInt32BE(0x25609513, 0)
    head.writeUInt16BE(type, 6)
    head.writeBigUInt64BE(this.#next++, 8)
    head.writeBigUInt64BE(BigInt(offset), 16)
    head.writeUInt32BE(length, 24)
    this.#socket.write(Buffer.concat([head, data]))
    const error = (await this.#reader.read(16)).readUInt32BE(4)
    if (error !== 0) throw new Error(`the server answers ${error}`)
  }
}
