import path from 'node:path'
import { lockFile, type LockedFile } from '../lock/lock-file.ts'
import type { Files } from '../os/files.ts'
import { isObject } from '../xapi/protocol.ts'
import type { Store, StoredObjects } from './Store.ts'

/** Another process has the database open. */
export class ToolstackBusyError extends Error {
  constructor(stateFile: string) {
    super(`another toolstack is using ${stateFile}`)
    this.name = 'ToolstackBusyError'
  }
}

/** The database cannot be read: another program's file, that of a newer release, or a damaged one. */
export class StateFileError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StateFileError'
  }
}

/** What a state file holds besides the objects. */
export interface State {
  readonly generation: number
  readonly objects: StoredObjects
  /** Driver information by plugin path (see `drivers.ts`). */
  readonly plugins: Readonly<Record<string, unknown>>
  /** The boot of this machine in which it was written; empty where that is not known. */
  readonly boot: string
}

/** What is kept besides the objects and changes at the start only. */
export type StartFacts = Pick<State, 'plugins' | 'boot'>

const format = 1
const empty: State = { generation: 0, objects: {}, plugins: {}, boot: '' }

/** Passwords of connections are among the records. */
const privateMode = 0o600

/**
 * Room for the generations that were used up after the last write, by sessions and tasks, which are not written:
 * an event token must never come twice.
 */
const generationGap = 1_000_000

/**
 * The file in which the database survives: one JSON document, replaced as a whole, so that a crash leaves the last
 * state or the one before. One process at a time may have it open.
 */
export class StateFile {
  readonly #files: Files
  readonly #path: string
  readonly #lock: LockedFile
  readonly state: State
  #facts: StartFacts
  #written = 0
  #writing: Promise<void> | undefined

  private constructor(files: Files, filePath: string, lock: LockedFile, state: State) {
    this.#files = files
    this.#path = filePath
    this.#lock = lock
    this.state = state
    this.#facts = { plugins: state.plugins, boot: state.boot }
  }

  /** Throws ToolstackBusyError where another process has it, and StateFileError where the file is none of ours. */
  static async open(files: Files, filePath: string): Promise<StateFile> {
    await files.makeDirectory(path.dirname(filePath), { recursive: true, mode: 0o700 })
    const lock = await lockFile(`${filePath}.lock`)
    if (lock === undefined) throw new ToolstackBusyError(filePath)
    try {
      const state = (await files.exists(filePath)) ? parseState(await files.readText(filePath), filePath) : empty
      return new StateFile(files, filePath, lock, { ...state, generation: state.generation + generationGap })
    } catch (error) {
      await lock.unlock()
      throw error
    }
  }

  /** Resolves when every write to the store so far is on disk. Calls that come together share one write. */
  async save(store: Store): Promise<void> {
    const wanted = store.durableVersion
    while (this.#written < wanted) {
      this.#writing ??= this.#write(store)
      await this.#writing
    }
  }

  /** Keeps what was found out at the start; written at once. */
  async saveFacts(store: Store, facts: StartFacts): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
    this.#facts = facts
    this.#writing = this.#write(store)
    await this.#writing
  }

  /** Gives the file to others; nothing may be being saved. */
  async close(): Promise<void> {
    await this.#lock.unlock()
  }

  async #write(store: Store): Promise<void> {
    const version = store.durableVersion
    const document = { format, generation: store.generation, ...this.#facts, objects: store.durableObjects() }
    try {
      await this.#files.writeDurably(this.#path, JSON.stringify(document), { mode: privateMode })
      this.#written = version
    } finally {
      this.#writing = undefined
    }
  }
}

function parseState(text: string, filePath: string): State {
  const document = parseJson(text, filePath)
  if (!isObject(document) || document['format'] !== format) {
    throw new StateFileError(`${filePath} is no state file of format ${format}`)
  }
  const { generation, objects, plugins, boot = '' } = document
  if (!Number.isSafeInteger(generation) || !isObject(objects) || !isObject(plugins) || !areTables(objects)) {
    throw new StateFileError(`${filePath} is damaged`)
  }
  return { generation: generation as number, objects, plugins, boot: typeof boot === 'string' ? boot : '' }
}

function parseJson(text: string, filePath: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new StateFileError(`${filePath} is damaged: it is no JSON`, { cause: error })
  }
}

function areTables(objects: Readonly<Record<string, unknown>>): objects is StoredObjects {
  return Object.values(objects).every(table => isObject(table) && Object.values(table).every(isObject))
}
