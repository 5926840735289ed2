import { chmodSync } from 'node:fs'
import * as net from 'node:net'
import type { Socket } from 'node:net'
import { Budget } from './Budget.ts'
import { ByteReader, EndOfInput } from './ByteReader.ts'
import type { Export } from './Export.ts'
import { shakeHands } from './handshake.ts'
import { Transmission } from './Transmission.ts'

/** Bytes of requests in memory, for all clients together: two of the largest. */
const MEMORY = 64 * 1024 * 1024

/** Serves one export over NBD on a unix socket that only this user may open (spec datapath 12, 16). */
export class NbdServer {
  readonly #export: Export
  readonly #warn: (text: string) => void
  readonly #memory = new Budget(MEMORY)
  readonly #clients = new Map<Socket, Promise<void>>()
  readonly #server: net.Server

  constructor(exported: Export, warn: (text: string) => void) {
    this.#export = exported
    this.#warn = warn
    this.#server = net.createServer({ allowHalfOpen: false }, socket => {
      const serving = this.#serve(socket).finally(() => this.#clients.delete(socket))
      this.#clients.set(socket, serving)
    })
  }

  get clients(): number {
    return this.#clients.size
  }

  /** Throws EADDRINUSE where the name is taken. */
  async listen(path: string): Promise<void> {
    // The socket must not be anybody's for a moment: its mode comes from the mask.
    const mask = process.umask(0o177)
    try {
      await new Promise<void>((resolve, reject) => {
        this.#server.once('error', reject)
        this.#server.listen(path, resolve)
      })
    } finally {
      process.umask(mask)
    }
    chmodSync(path, 0o600)
  }

  /** Sends every client away and stops. Requests under way have ended then. */
  async close(): Promise<void> {
    const closed = new Promise<void>(resolve => {
      this.#server.close(() => {
        resolve()
      })
    })
    for (const socket of this.#clients.keys()) socket.destroy()
    await Promise.all(this.#clients.values())
    await closed
  }

  /** Never throws: whatever a client does ends with its connection. */
  async #serve(socket: Socket): Promise<void> {
    // Errors arrive at the reader and the writer; one that comes when both are done says nothing new.
    socket.on('error', () => undefined)
    // Each reply under way may wait for this client to read.
    socket.setMaxListeners(0)
    try {
      await this.#converse(socket)
    } catch (error) {
      if (!(error instanceof EndOfInput) && !isGone(error))
        this.#warn(`a client of ${this.#export.name}: ${String(error)}`)
    }
    socket.end()
    socket.destroySoon()
    if (this.#clients.size === 1 && this.#export.state === 'running') await this.#export.flushUnasked()
  }

  async #converse(socket: Socket): Promise<void> {
    const reader = new ByteReader(socket)
    const write = writerOf(socket)
    await this.#export.ready
    const agreement = await shakeHands({ reader, write }, this.#export)
    if (agreement === undefined) return
    await new Transmission({ exported: this.#export, reader, write, agreement, memory: this.#memory }).run()
  }
}

/** Sends buffers together, and waits for a slow client before more is made for it. */
function writerOf(socket: Socket): (...buffers: readonly Buffer[]) => Promise<void> {
  return async (...buffers) => {
    if (socket.destroyed || socket.writableEnded) throw new EndOfInput()
    socket.cork()
    let hasRoom = true
    for (const buffer of buffers) hasRoom = socket.write(buffer)
    socket.uncork()
    if (hasRoom) return
    await new Promise<void>((resolve, reject) => {
      const done = (): void => {
        socket.off('drain', done)
        socket.off('close', gone)
        resolve()
      }
      const gone = (): void => {
        socket.off('drain', done)
        reject(new EndOfInput())
      }
      socket.once('drain', done)
      socket.once('close', gone)
    })
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EPIPE' || error.code === 'ECONNRESET')
}
