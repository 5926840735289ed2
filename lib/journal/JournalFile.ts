import path from 'node:path'
import { isErrno, type Files } from '../os/files.ts'

/**
 * A journal that is one small file: one line of JSON, created and replaced so that a power cut leaves the old record or
 * the new one (spec file-sr 22.4). An absent, empty or unreadable file says that nothing was recorded.
 */
export class JournalFile<T> {
  readonly path: string
  readonly #files: Files
  readonly #parse: (value: unknown) => T | undefined

  /** `parse` checks what was read: recovery runs as root on what it finds here. */
  constructor(files: Files, filePath: string, parse: (value: unknown) => T | undefined) {
    this.path = filePath
    this.#files = files
    this.#parse = parse
  }

  async write(record: T): Promise<void> {
    await this.#files.writeDurably(this.path, `${JSON.stringify(record)}\n`)
  }

  async read(): Promise<T | undefined> {
    try {
      return this.#parse(JSON.parse(await this.#files.readText(this.path)) as unknown)
    } catch (error) {
      if (error instanceof SyntaxError || isErrno(error, 'ENOENT')) return undefined
      throw error
    }
  }

  /** Removes the journal for good; harmless where it is gone already. */
  async remove(): Promise<void> {
    await this.#files.unlinkIfPresent(this.path)
    await this.#files.syncDirectory(path.dirname(this.path))
  }
}
