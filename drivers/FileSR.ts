import type { Request } from '../lib/smapi/Request.ts'
import { SmError } from '../lib/smapi/SmError.ts'
import { isErrno } from '../lib/os/files.ts'
import { CommandError } from '../lib/os/run.ts'
import { FileFamilySR } from './file/FileFamilySR.ts'
import { isMounted, mayMount } from './file/mount.ts'

/** An SR in a directory of this host, `device_config:location` (spec file-sr 6.1). */
export class FileSR extends FileFamilySR {
  /** @throws SmError ConfigLocationMissing, InvalidArg */
  override load(): Promise<void> {
    const { location } = this
    if (!location.startsWith('/') || location.includes('\0')) {
      return Promise.reject(new SmError('InvalidArg', 'device_config:location must be an absolute path'))
    }
    return Promise.resolve()
  }

  get location(): string {
    const location = this.context.request.deviceConfig['location']
    if (location === undefined || location === '') throw new SmError('ConfigLocationMissing')
    return location
  }

  /** Makes the directory, or takes an empty one. @throws SmError FileSRCreate whatever went wrong, as clients expect */
  override async sr_create(_request: Request): Promise<null> {
    const { files } = this.context.system
    try {
      await files.makeDirectory(this.location)
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw new SmError('FileSRCreate', undefined, { cause: error })
      await this.requireEmptyLocation()
    }
    return null
  }

  override isAttached(): Promise<boolean> {
    return isMounted(this.context.system.files, this.path, this.location)
  }

  /** @throws SmError FileSRCreate */
  override async attach(): Promise<void> {
    if (await this.isAttached()) return
    if (mayMount()) await this.bindMount()
    else await this.linkLocation()
    try {
      await this.context.system.files.changeMode(this.path, 0o700)
    } catch (error) {
      await this.unmountAgain()
      throw new SmError('FileSRCreate', `fail to mount FileSR. Errno is ${errnoOf(error)}`, { cause: error })
    }
  }

  /** @throws SmError SRInUse */
  override async detach(): Promise<void> {
    if (!(await this.isAttached())) return
    if (!(await this.context.gc.abort(this.uuid))) throw new SmError('SRInUse', 'the garbage collector is running')
    try {
      await this.unmount()
    } catch (error) {
      throw new SmError('SRInUse', undefined, { cause: error })
    }
  }

  private async unmount(): Promise<void> {
    const { files, run } = this.context.system
    if ((await files.lstat(this.path)).isSymbolicLink()) {
      await files.unlink(this.path)
      return
    }
    await run(['umount', this.path], { cwd: this.context.paths.srMountBase })
    await files.removeDirectory(this.path)
  }

  /** An attach that fails leaves nothing mounted: the next one would take it for done. */
  private async unmountAgain(): Promise<void> {
    await this.unmount().catch((error: unknown) => {
      this.context.log.warn(`${this.path} is left mounted: ${String(error)}`)
    })
  }

  private async requireEmptyLocation(): Promise<void> {
    let names: string[]
    try {
      names = await this.context.system.files.list(this.location)
    } catch (error) {
      throw new SmError('FileSRCreate', undefined, { cause: error })
    }
    if (names.some(name => !name.startsWith('.'))) throw new SmError('FileSRCreate')
  }

  private async bindMount(): Promise<void> {
    const { files, run } = this.context.system
    try {
      await files.makeDirectory(this.path, { mode: 0o700, recursive: true })
      await files.changeMode(this.path, 0o700)
    } catch (error) {
      throw new SmError('FileSRCreate', `fail to create mount point. Errno is ${errnoOf(error)}`, { cause: error })
    }
    try {
      await run(['mount', this.location, this.path, '--bind'])
    } catch (error) {
      await files.removeDirectory(this.path).catch((second: unknown) => {
        this.context.log.warn(`${this.path} is left over: ${String(second)}`)
      })
      throw new SmError('FileSRCreate', `fail to mount FileSR. Errno is ${errnoOf(error)}`, { cause: error })
    }
  }

  /** Where this process may not mount, a link makes the same names reach the same files. */
  private async linkLocation(): Promise<void> {
    const { files } = this.context.system
    const location = await files.stat(this.location).catch((error: unknown) => {
      throw new SmError('FileSRCreate', 'fail to mount FileSR. Errno is 32', { cause: error })
    })
    if (!location.isDirectory()) throw new SmError('FileSRCreate', 'fail to mount FileSR. Errno is 32')
    await files.makeDirectory(this.context.paths.srMountBase, { recursive: true })
    await this.removeMountPoint()
    await files.symlink(this.location, this.path)
  }

  /** What an earlier attach left, be it a link to where the SR was before it was moved. */
  private async removeMountPoint(): Promise<void> {
    const { files } = this.context.system
    if (!(await files.exists(this.path))) return
    if ((await files.lstat(this.path)).isSymbolicLink()) await files.unlink(this.path)
    else await files.removeDirectory(this.path)
  }
}

function errnoOf(error: unknown): number {
  if (error instanceof CommandError) return error.exitCode
  return error instanceof Error && 'errno' in error && typeof error.errno === 'number' ? Math.abs(error.errno) : 5
}
