import path from 'node:path'
import { isErrno, type Files } from '../os/files.ts'

/** Far more than any record of ours takes, bytes. */
const MAX_JOURNAL = 64 * 1024

/** No name, or what has it is a directory, a pipe, a device or a socket. */
const NO_FILE = ['ENOENT', 'EISDIR', 'EINVAL', 'ENXIO']

/**
 * A journal that is one small file: one line of JSON, created and replaced so that a power cut leaves the old record or
 * the new one (spec file-sr 22.4). An absent or empty file, or one that holds no record of ours, says that nothing was
 * recorded; a file that cannot be read says nothing, and `read` throws.
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
      const text = await this.#files.using(this.#files.openRegular(this.path), file => file.read(0, MAX_JOURNAL))
      return this.#parse(JSON.parse(text.toString('utf8')) as unknown)
    } catch (error) {
      if (error instanceof SyntaxError || NO_FILE.some(code => isErrno(error, code))) return undefined
      throw error
    }
  }

  /** Removes the journal for good; harmless where it is gone already. */
  async remove(): Promise<void> {
    await this.#files.unlinkIfPresent(this.path)
    await this.#files.syncDirectory(path.dirname(this.path))
  }
}
