import { existsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { startDaemon } from '../../os/daemon.ts'
import { isErrno } from '../../os/files.ts'
import type { Paths } from '../../os/paths.ts'
import { strerror } from '../../os/strerror.ts'
import type { System } from '../../os/system.ts'
import { SmError } from '../../smapi/SmError.ts'
import type { ActiveDisk, Datapath, Resumption, Serving } from '../Datapath.ts'
import type { ControlAnswer, ControlRequest } from './control.ts'
import { askServer } from './controlClient.ts'
import type { Greeting } from './main.ts'
import { readRegistration, registrations, serverFiles } from './registry.ts'

/** Serves each active disk by a process of our own, over NBD (spec datapath part B). */
export class NbdDatapath implements Datapath {
  readonly #system: System
  readonly #runtime: string

  constructor(system: System, paths: Paths) {
    this.#system = system
    this.#runtime = path.join(paths.runtime, 'datapath')
  }

  async open(disk: ActiveDisk): Promise<string> {
    const { files, effects } = this.#system
    await files.makeDirectory(this.#runtime, { mode: 0o700, recursive: true })
    const names = serverFiles(this.#runtime, disk.vdiUuid)
    // No link leads to what still runs here: a crash came between its start and the link.
    if ((await readRegistration(files, names.registration)) !== undefined) await this.close(names.socket)
    for (const name of [names.socket, names.control, names.registration]) await files.unlinkIfPresent(name)
    const { srUuid, vdiUuid: name, path: image, type, readOnly, limit, writeThrough } = disk
    const document = JSON.stringify({ srUuid, name, path: image, type, readOnly, limit, writeThrough, ...names })
    const greeting = await startDaemon(effects, [serverProgram(), document]).catch((error: unknown) => {
      throw new SmError('TapdiskFailed', error instanceof Error ? error.message : String(error), { cause: error })
    })
    const word = JSON.parse(greeting) as Greeting
    if (!word.ready) throw new SmError('TapdiskFailed', `${strerror(word.errno) ?? word.errno}: ${word.message}`)
    return names.socket
  }

  async close(socket: string): Promise<void> {
    await this.#ask(socket, { command: 'close' })
  }

  async pause(socket: string): Promise<void> {
    requireServed(socket, await this.#ask(socket, { command: 'pause' }))
  }

  async unpause(socket: string, { path: image, type }: Resumption): Promise<void> {
    requireServed(socket, await this.#ask(socket, { command: 'unpause', path: image, type }))
  }

  async serving(socket: string): Promise<Serving | undefined> {
    const status = await this.#ask(socket, { command: 'status' })
    if (status === undefined) return undefined
    return { path: status.path, isPaused: status.state !== 'running', clients: status.clients }
  }

  async unlinkedSocket(_srUuid: string, vdiUuid: string): Promise<string | undefined> {
    const { registration } = serverFiles(this.#runtime, vdiUuid)
    return (await readRegistration(this.#system.files, registration))?.socket
  }

  async closeOrphans(srUuid: string, known: ReadonlySet<string>): Promise<void> {
    for (const server of await registrations(this.#system.files, this.#runtime)) {
      if (server.srUuid === srUuid && !known.has(server.socket)) await this.close(server.socket)
    }
  }

  /** Undefined where nobody serves any more. Throws SmError TapdiskFailed for what the server cannot do. */
  async #ask(socket: string, request: ControlRequest): Promise<(ControlAnswer & { ok: true }) | undefined> {
    const { control } = serverFiles(path.dirname(socket), path.basename(socket, '.sock'))
    let answer: ControlAnswer
    try {
      answer = await askServer(control, request)
    } catch (error) {
      if (isErrno(error, 'ENOENT') || isErrno(error, 'ECONNREFUSED')) return undefined
      throw new SmError('TapdiskFailed', error instanceof Error ? error.message : String(error), { cause: error })
    }
    if (answer.ok) return answer
    throw new SmError(
      'TapdiskFailed',
      `${request.command}: ${strerror(answer.errno) ?? answer.code}: ${answer.message}`,
    )
  }
}

function requireServed(socket: string, answer: unknown): void {
  if (answer === undefined) throw new SmError('TapdiskFailed', `nobody serves ${socket} any more`)
}

/** `bin/sm-nbd`, above this file or above the bundle it is part of. */
function serverProgram(): string {
  for (let folder = path.dirname(fileURLToPath(import.meta.url)); ; folder = path.dirname(folder)) {
    const program = path.join(folder, 'bin', 'sm-nbd')
    if (existsSync(program)) return program
    if (folder === path.dirname(folder)) throw new SmError('TapdiskFailed', 'bin/sm-nbd is not installed')
  }
}
