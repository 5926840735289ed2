import type { BigIntStats, Stats } from 'node:fs'
import path from 'node:path'
import type { Effects } from '../../lib/os/effects.ts'
import { Files } from '../../lib/os/files.ts'
import type { OpenFile } from '../../lib/os/OpenFile.ts'

/** Files whose `/dev`, `/etc` and `/run` are folders of a test. */
export class RootedFiles extends Files {
  readonly #root: string

  constructor(effects: Effects, root: string) {
    super(effects)
    this.#root = root
  }

  /** Where the test has what the code calls `name`. */
  at(name: string): string {
    return /^\/(dev|etc|run)(\/|$)/.test(name) ? path.join(this.#root, name) : name
  }

  override openRead(name: string): Promise<OpenFile> {
    return super.openRead(this.at(name))
  }

  override openDirect(name: string): Promise<OpenFile> {
    return super.openDirect(this.at(name))
  }

  override openWrite(name: string): Promise<OpenFile> {
    return super.openWrite(this.at(name))
  }

  override list(directory: string): Promise<string[]> {
    return super.list(this.at(directory))
  }

  override stat(name: string): Promise<Stats> {
    return super.stat(this.at(name))
  }

  override identity(name: string): Promise<BigIntStats> {
    return super.identity(this.at(name))
  }

  override exists(name: string): Promise<boolean> {
    return super.exists(this.at(name))
  }

  override realpath(name: string): Promise<string> {
    return super.realpath(this.at(name))
  }

  override symlink(target: string, name: string): Promise<void> {
    return super.symlink(this.at(target), this.at(name))
  }

  override unlink(name: string): Promise<void> {
    return super.unlink(this.at(name))
  }

  override makeDirectory(directory: string, options: { mode?: number; recursive?: boolean } = {}): Promise<void> {
    return super.makeDirectory(this.at(directory), options)
  }

  override removeDirectory(directory: string): Promise<void> {
    return super.removeDirectory(this.at(directory))
  }
}
