import { SmError, type SmErrorName } from '../../lib/smapi/SmError.ts'
import { CommandError } from '../../lib/os/run.ts'
import type { Context } from '../Context.ts'
import type { FileFamilySR } from './FileFamilySR.ts'

/**
 * Makes the SR's mount point, runs the command that mounts it, and closes the directory to others. Where the command
 * fails, the mount point is removed again.
 * @throws SmError FileSRCreate
 */
export async function mountSr(sr: FileFamilySR, command: readonly [string, ...string[]]): Promise<void> {
  const { files, run } = sr.context.system
  try {
    await files.makeDirectory(sr.path, { mode: 0o700, recursive: true })
  } catch (error) {
    throw new SmError('FileSRCreate', `fail to create mount point. Errno is ${exitCodeOf(error)}`, { cause: error })
  }
  try {
    await run(command)
  } catch (error) {
    await removeMountPoint(sr.context, sr.path)
    throw new SmError('FileSRCreate', `fail to mount FileSR. Errno is ${exitCodeOf(error)}`, { cause: error })
  }
  await files.changeMode(sr.path, 0o700)
}

/** Unmounts the SR and removes its mount point; whatever goes wrong is reported as `failure`. @throws SmError `failure` */
export async function unmountSr(sr: FileFamilySR, failure: SmErrorName): Promise<void> {
  const { context } = sr
  if (!(await context.gc.abort(sr.uuid))) throw new SmError(failure, 'the garbage collector is running')
  try {
    await context.system.run(['umount', sr.path], { cwd: context.paths.srMountBase })
  } catch (error) {
    throw new SmError(failure, error instanceof Error ? error.message : String(error), { cause: error })
  }
  await removeMountPoint(context, sr.path)
}

/** A mount point that cannot be removed, because somebody put files below it, is in nobody's way. */
export async function removeMountPoint(
  { system, log }: Pick<Context, 'system' | 'log'>,
  directory: string,
): Promise<void> {
  try {
    await system.files.removeDirectory(directory)
  } catch (error) {
    log.warn(`the mount point ${directory} stays: ${String(error)}`)
  }
}

/** What stands for the cause in details that operators know: an exit code, or an errno. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommandError) return error.exitCode
  return error instanceof Error && 'errno' in error && typeof error.errno === 'number' ? Math.abs(error.errno) : 5
}
