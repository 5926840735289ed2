import { CommandError } from '../os/run.ts'
import type { Logger } from '../os/log.ts'
import type { System } from '../os/system.ts'
import { SmError } from '../smapi/SmError.ts'
import { mountCommand, type NfsMount, type Patience } from './config.ts'

const TRIES = 2
/** EIO and EPIPE as the reference understands exit codes; 32 is also what mount.nfs says of every refusal. */
const RETRIED_EXIT_CODES: ReadonlySet<number> = new Set([5, 32])
const ETIMEDOUT = 110

interface Host {
  readonly system: System
  readonly log: Logger
}

export interface NfsTarget {
  readonly serverPath: string
  readonly mountPoint: string
  readonly patience?: Patience
}

/** Makes the mount point and mounts a path of the server. A failure leaves no mount. @throws SmError NFSMount */
export async function mountNfs({ system, log }: Host, mount: NfsMount, target: NfsTarget): Promise<void> {
  const { files } = system
  try {
    await files.makeDirectory(target.mountPoint, { mode: 0o700, recursive: true })
  } catch (error) {
    const code = error instanceof Error && 'errno' in error ? Math.abs(Number(error.errno)) : 5
    throw new SmError('NFSMount', `Failed to make directory: code is ${code}`, { cause: error })
  }
  try {
    await tryToMount(system, mountCommand(mount, target.serverPath, target.mountPoint, target.patience))
  } catch (error) {
    await files.removeDirectory(target.mountPoint).catch((reason: unknown) => {
      log.warn(`the mount point ${target.mountPoint} stays: ${String(reason)}`)
    })
    if (!(error instanceof CommandError)) throw error
    // Clients know the code of the exhausted retries, not that of the last try.
    const code = RETRIED_EXIT_CODES.has(error.exitCode) ? ETIMEDOUT : error.exitCode
    throw new SmError('NFSMount', `mount failed on server \`${mount.server}\` with return code ${code}`, {
      cause: error,
    })
  }
}

async function tryToMount(system: System, command: readonly [string, ...string[]]): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await system.run(command)
      return
    } catch (error) {
      const isRetried = error instanceof CommandError && RETRIED_EXIT_CODES.has(error.exitCode)
      if (!isRetried || attempt === TRIES) throw error
    }
  }
}
