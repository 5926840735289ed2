import { chmodSync } from 'node:fs'
import * as net from 'node:net'
import type { Logger } from '../../os/log.ts'
import type { System } from '../../os/system.ts'
import { VhdError } from '../../vhd/VhdUtil.ts'
import { type DiskPlace, openDisk } from '../openDisk.ts'
import { type ControlAnswer, type ControlRequest, parseRequest, readLines, type Status } from './control.ts'
import { Export } from './Export.ts'
import { NbdServer } from './NbdServer.ts'

export interface DiskServerOptions extends DiskPlace {
  readonly name: string
  /** Where NBD clients connect. */
  readonly socket: string
  /** Where the host's own programs pause and end it. */
  readonly control: string
  /** Where it notes that it runs. */
  readonly registration: string
  readonly srUuid: string
}

/** How often a chain that cannot be opened again is tried, and milliseconds between (spec datapath 15). */
const UNPAUSE_TRIES = 10
const UNPAUSE_WAIT = 1000

/** Serves one active disk: NBD on one socket, its control on another. */
export class DiskServer {
  readonly #system: System
  readonly #log: Logger
  readonly #options: DiskServerOptions
  readonly #export: Export
  readonly #nbd: NbdServer
  readonly #control: net.Server
  readonly #controllers = new Set<net.Socket>()
  #place: DiskPlace
  #turn: Promise<unknown> = Promise.resolve()
  #closed: Promise<void> | undefined
  #ended: () => void = () => undefined
  /** Resolves when the disk is closed and both sockets are gone. */
  readonly ended = new Promise<void>(resolve => {
    this.#ended = resolve
  })

  private constructor(system: System, log: Logger, options: DiskServerOptions, exported: Export) {
    this.#system = system
    this.#log = log
    this.#options = options
    this.#place = options
    this.#export = exported
    this.#nbd = new NbdServer(exported, text => {
      log.warn(text)
    })
    this.#control = net.createServer(socket => {
      this.#attend(socket)
    })
  }

  /** Opens the disk, then the sockets. Throws what opening and listening throw; nothing is left open then. */
  static async start(system: System, log: Logger, options: DiskServerOptions): Promise<DiskServer> {
    const disk = await openDisk(system.files, options)
    const exported = new Export(disk, {
      name: options.name,
      warn: text => {
        log.warn(text)
      },
    })
    const server = new DiskServer(system, log, options, exported)
    try {
      await server.#nbd.listen(options.socket)
      await server.#listenForControl()
      return server
    } catch (error) {
      await exported.close()
      throw error
    }
  }

  status(): Status {
    const { path, type } = this.#place
    const { state, readOnly, size, images } = this.#export
    return { pid: process.pid, state, path, type, readOnly, size, images, clients: this.#nbd.clients }
  }

  /** Makes everything durable and ends; a second call waits for the first. */
  async close(): Promise<void> {
    this.#closed ??= this.#close()
    await this.#closed
  }

  async #close(): Promise<void> {
    // Clients first, so that those who wait for a paused disk find themselves sent away.
    const gone = this.#nbd.close()
    try {
      await this.#export.close()
      await gone
    } finally {
      this.#control.close()
      // Whoever asked for the end is answered first.
      void this.#turn.then(() => {
        for (const socket of this.#controllers) socket.destroySoon()
      })
      this.#ended()
    }
  }

  async #listenForControl(): Promise<void> {
    const mask = process.umask(0o177)
    try {
      await new Promise<void>((resolve, reject) => {
        this.#control.once('error', reject)
        this.#control.listen(this.#options.control, resolve)
      })
    } finally {
      process.umask(mask)
    }
    chmodSync(this.#options.control, 0o600)
  }

  #attend(socket: net.Socket): void {
    this.#controllers.add(socket)
    // Whoever asked and left is not told.
    socket.on('error', () => undefined)
    socket.on('close', () => this.#controllers.delete(socket))
    readLines(socket, line => {
      // One after the other: a pause and the end of one must not overlap.
      this.#turn = this.#turn.then(async () => {
        const answer = await this.#answer(line, socket)
        if (!socket.destroyed) socket.write(`${JSON.stringify(answer)}\n`)
      })
    })
  }

  async #answer(line: string, socket: net.Socket): Promise<ControlAnswer> {
    try {
      await this.#carryOut(parseRequest(line), socket)
      return { ok: true, ...this.status() }
    } catch (error) {
      this.#log.error(`${this.#options.name}: ${line.slice(0, 200)}: ${String(error)}`)
      const message = error instanceof Error ? error.message : String(error)
      if (error instanceof VhdError) return { ok: false, code: error.code, errno: error.errno, message }
      return { ok: false, code: 'EINVAL', errno: 22, message }
    }
  }

  async #carryOut(request: ControlRequest, socket: net.Socket): Promise<void> {
    switch (request.command) {
      case 'pause':
        await this.#export.pause()
        // Nobody would resume what nobody waits for.
        if (socket.destroyed) await this.#unpause({})
        return
      case 'unpause':
        await this.#unpause(request)
        return
      case 'close':
        await this.close()
        return
      default:
    }
  }

  async #unpause({ path, type }: { readonly path?: string; readonly type?: 'vhd' | 'aio' }): Promise<void> {
    const place = { ...this.#place, path: path ?? this.#place.path, type: type ?? this.#place.type }
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#export.unpause(() => openDisk(this.#system.files, place))
        this.#place = place
        return
      } catch (error) {
        const code = error instanceof VhdError ? error.code : undefined
        if (attempt === UNPAUSE_TRIES || code === 'EBUSY' || code === 'EMEDIUMTYPE') throw error
        await new Promise(resolve => setTimeout(resolve, UNPAUSE_WAIT))
      }
    }
  }
}
