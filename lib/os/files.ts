import { constants, type BigIntStats, type Stats, type StatsFs } from 'node:fs'
import * as fs from 'node:fs/promises'
import path from 'node:path'
import { type Effects, errnoError } from './effects.ts'
import { OpenFile } from './OpenFile.ts'
import { openForReading } from './ReadHandle.ts'

/** The file system as drivers use it: every change is announced to `Effects` before it is made. */
export class Files {
  readonly #effects: Effects

  constructor(effects: Effects) {
    this.#effects = effects
  }

  /** Opens for reading only. */
  async openRead(filePath: string): Promise<OpenFile> {
    return new OpenFile(await openForReading(filePath, constants.O_RDONLY), this.#effects, filePath)
  }

  /**
   * Opens a regular file for reading only, without waiting for what turns out to be a pipe; `immediate` as for
   * `ReadHandle`. Throws EINVAL for a pipe or a device.
   */
  async openRegular(filePath: string, immediate = false): Promise<OpenFile> {
    const handle = await openForReading(filePath, constants.O_RDONLY | constants.O_NONBLOCK, immediate)
    const file = new OpenFile(handle, this.#effects, filePath)
    if ((await file.stat()).isFile()) return file
    await file.close()
    throw errnoError('EINVAL', `${filePath} is not a regular file`)
  }

  /**
   * Opens for reading past this host's page cache: for a disk whose content is written under another name, as that of a
   * physical volume is through its logical volumes. A file that cannot be read so is read as any other.
   */
  async openDirect(filePath: string): Promise<OpenFile> {
    const { openDirectly } = await import('./DirectHandle.ts')
    try {
      return new OpenFile(await openDirectly(filePath), this.#effects, filePath)
    } catch (error) {
      if (isErrno(error, 'EINVAL')) return this.openRead(filePath)
      throw error
    }
  }

  /** Opens an existing file for reading and writing. */
  async openWrite(filePath: string): Promise<OpenFile> {
    return new OpenFile(await fs.open(filePath, 'r+'), this.#effects, filePath)
  }

  /**
   * Creates a file for reading and writing; `exclusive` fails with EEXIST where one is, else it is emptied. A symbolic
   * link under the name is not followed (ELOOP).
   */
  async create(filePath: string, options: { exclusive?: boolean; mode?: number } = {}): Promise<OpenFile> {
    this.#effects.before('file', `create ${filePath}`)
    const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR, O_TRUNC } = constants
    const flags = O_RDWR | O_CREAT | O_NOFOLLOW | (options.exclusive === true ? O_EXCL : O_TRUNC)
    const handle = await fs.open(filePath, flags, options.mode ?? 0o644)
    return new OpenFile(handle, this.#effects, filePath)
  }

  /** Opens, runs `body`, closes whatever happens. */
  async using<T>(file: Promise<OpenFile>, body: (file: OpenFile) => Promise<T>): Promise<T> {
    const opened = await file
    try {
      return await body(opened)
    } finally {
      await opened.close()
    }
  }

  async readText(filePath: string): Promise<string> {
    return fs.readFile(filePath, 'utf8')
  }

  /** Directory entries, dot files included, sorted. */
  async list(directory: string): Promise<string[]> {
    return (await fs.readdir(directory)).sort()
  }

  /** Names of a directory, sorted, and whether the directory itself says that they are regular files. */
  async listKinds(directory: string): Promise<{ name: string; regular: boolean }[]> {
    const entries = await fs.readdir(directory, { withFileTypes: true })
    const names = entries.map(entry => ({ name: entry.name, regular: entry.isFile() }))
    return names.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  async stat(filePath: string): Promise<Stats> {
    return fs.stat(filePath)
  }

  async lstat(filePath: string): Promise<Stats> {
    return fs.lstat(filePath)
  }

  /** Device and inode without rounding, to compare two names of one file. */
  async identity(filePath: string): Promise<BigIntStats> {
    return fs.stat(filePath, { bigint: true })
  }

  async statfs(directory: string): Promise<StatsFs> {
    return fs.statfs(directory)
  }

  /** Whether the name exists (the link itself, not what it points to). Errors other than "no such name" are thrown. */
  async exists(filePath: string): Promise<boolean> {
    try {
      await fs.lstat(filePath)
      return true
    } catch (error) {
      if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return false
      throw error
    }
  }

  /** Whether somebody has a block device in use: it cannot be opened exclusively. Other errors are thrown. */
  async isBusy(device: string): Promise<boolean> {
    try {
      await (await fs.open(device, fs.constants.O_RDWR | fs.constants.O_EXCL)).close()
      return false
    } catch (error) {
      if (isErrno(error, 'EBUSY')) return true
      throw error
    }
  }

  async realpath(filePath: string): Promise<string> {
    return fs.realpath(filePath)
  }

  async readlink(filePath: string): Promise<string> {
    return fs.readlink(filePath)
  }

  async link(existing: string, name: string): Promise<void> {
    this.#effects.before('file', `link ${existing} ${name}`)
    await fs.link(existing, name)
  }

  async symlink(target: string, name: string): Promise<void> {
    this.#effects.before('file', `symlink ${target} ${name}`)
    await fs.symlink(target, name)
  }

  async rename(from: string, to: string): Promise<void> {
    this.#effects.before('file', `rename ${from} ${to}`)
    await fs.rename(from, to)
  }

  async unlink(filePath: string): Promise<void> {
    this.#effects.before('file', `unlink ${filePath}`)
    await fs.unlink(filePath)
  }

  /** Removes a name if it exists; says whether it did. */
  async unlinkIfPresent(filePath: string): Promise<boolean> {
    try {
      await this.unlink(filePath)
      return true
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return false
      throw error
    }
  }

  async makeDirectory(directory: string, options: { mode?: number; recursive?: boolean } = {}): Promise<void> {
    this.#effects.before('file', `mkdir ${directory}`)
    await fs.mkdir(directory, { mode: options.mode ?? 0o755, recursive: options.recursive ?? false })
  }

  async removeDirectory(directory: string): Promise<void> {
    this.#effects.before('file', `rmdir ${directory}`)
    await fs.rmdir(directory)
  }

  async changeMode(filePath: string, mode: number): Promise<void> {
    this.#effects.before('file', `chmod ${filePath} ${mode.toString(8)}`)
    await fs.chmod(filePath, mode)
  }

  async append(filePath: string, text: string): Promise<void> {
    this.#effects.before('file', `append ${filePath}`)
    await fs.appendFile(filePath, text)
  }

  /** Makes the names in a directory durable. */
  async syncDirectory(directory: string): Promise<void> {
    this.#effects.before('file', `fsync ${directory}`)
    const handle = await fs.open(directory, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  }

  /**
   * Replaces or creates a file so that a power cut leaves the old text or the new one, both whole:
   * temporary file, fsync, rename, fsync of the directory. A failure leaves no temporary file where it can be helped.
   */
  async writeDurably(filePath: string, text: string, temporary = `${filePath}.new`): Promise<void> {
    try {
      await this.using(this.create(temporary), async file => {
        await file.write(Buffer.from(text), 0)
        await file.sync()
      })
      await this.rename(temporary, filePath)
    } catch (error) {
      // The caller is told of the first error; the next recovery removes what stays.
      await this.unlinkIfPresent(temporary).catch(() => undefined)
      throw error
    }
    await this.syncDirectory(path.dirname(filePath))
  }
}

/** Whether an unknown thrown value is a system error with this code. */
export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
