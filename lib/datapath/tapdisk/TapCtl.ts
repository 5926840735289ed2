import { CommandError } from '../../os/run.ts'
import { strerror } from '../../os/strerror.ts'
import type { System } from '../../os/system.ts'
import { SmError } from '../../smapi/SmError.ts'

/** One row of `tap-ctl list` (spec datapath 6). Type and path are empty for one whose image is closed. */
export interface Tapdisk {
  readonly pid: number
  readonly minor: number
  readonly state: number
  readonly type: string
  readonly path: string
}

/** Bits of `state`: a pause was asked for, or is complete. */
const PAUSING = 0x10
const PAUSED = 0x20

/** Exit codes that pass: EPROTO and ENOENT of a list while a tapdisk comes or goes; a spawn that was not quick enough. */
const LIST_AGAIN = [71, 2]
const SPAWN_AGAIN = [1]
const TRIES = 10
const WAIT_MS = 500

/** Seconds that a close may take. */
const CLOSE_TIMEOUT = '120'

export function isRunning({ state }: Tapdisk): boolean {
  return (state & (PAUSING | PAUSED)) === 0
}

export function isPaused({ state }: Tapdisk): boolean {
  return (state & PAUSED) !== 0
}

/** `tap-ctl`, whose exit code is an errno. Every method throws SmError TapdiskFailed with its text. */
export class TapCtl {
  readonly #system: System
  readonly #program: string

  constructor(system: System, program: string) {
    this.#system = system
    this.#program = program
  }

  /** Reserves the lowest free minor. */
  async allocate(): Promise<number> {
    const minor = /tapdisk-(\d+)\s*$/.exec(await this.#run(['allocate']))?.[1]
    if (minor === undefined) throw new SmError('TapdiskFailed', 'tap-ctl allocate names no minor')
    return Number(minor)
  }

  async free(minor: number): Promise<void> {
    await this.#run(['free', '-m', String(minor)])
  }

  /** Starts a process; returns its pid. */
  async spawn(): Promise<number> {
    const pid = Number((await this.#run(['spawn'], SPAWN_AGAIN)).trim())
    if (!Number.isSafeInteger(pid) || pid <= 0) throw new SmError('TapdiskFailed', 'tap-ctl spawn names no pid')
    return pid
  }

  async attach(pid: number, minor: number): Promise<void> {
    await this.#run(['attach', ...of(pid, minor)])
  }

  async detach(pid: number, minor: number): Promise<void> {
    await this.#run(['detach', ...of(pid, minor)])
  }

  async open(
    { pid, minor }: Pick<Tapdisk, 'pid' | 'minor'>,
    image: { readonly type: string; readonly path: string; readonly readOnly: boolean; readonly direct: boolean },
  ): Promise<void> {
    const flags = [...(image.readOnly ? ['-R'] : []), ...(image.direct ? [] : ['-D'])]
    await this.#run(['open', ...of(pid, minor), '-a', `${image.type}:${image.path}`, ...flags])
  }

  async close(pid: number, minor: number): Promise<void> {
    await this.#run(['close', ...of(pid, minor), '-t', CLOSE_TIMEOUT])
  }

  async pause(pid: number, minor: number): Promise<void> {
    await this.#run(['pause', ...of(pid, minor)])
  }

  async unpause(
    { pid, minor }: Pick<Tapdisk, 'pid' | 'minor'>,
    image: { readonly type: string; readonly path: string; readonly secondary?: string },
  ): Promise<void> {
    const mirror = image.secondary === undefined ? [] : ['-2', image.secondary]
    await this.#run(['unpause', ...of(pid, minor), ...mirror, '-a', `${image.type}:${image.path}`])
  }

  /** Tapdisks that have a minor. */
  async list(which: { readonly minor?: number; readonly path?: string } = {}): Promise<Tapdisk[]> {
    const minor = which.minor === undefined ? [] : ['-m', String(which.minor)]
    const file = which.path === undefined ? [] : ['-f', which.path]
    const lines = (await this.#run(['list', ...minor, ...file], LIST_AGAIN)).split('\n')
    return lines.flatMap(line => parseRow(line) ?? [])
  }

  async #run(args: readonly string[], again: readonly number[] = []): Promise<string> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return (await this.#system.run([this.#program, ...args])).stdout
      } catch (error) {
        if (!(error instanceof CommandError)) throw error
        if (attempt === TRIES || !again.includes(error.exitCode)) {
          const reason = strerror(error.exitCode) ?? `exit code ${error.exitCode}`
          throw new SmError('TapdiskFailed', `tap-ctl ${args[0] ?? ''}: ${reason}`, { cause: error })
        }
        await new Promise(resolve => setTimeout(resolve, WAIT_MS))
      }
    }
  }
}

function of(pid: number, minor: number): string[] {
  return ['-p', String(pid), '-m', String(minor)]
}

/** The path is last and may hold blanks. */
function parseRow(line: string): Tapdisk | undefined {
  const found = /^pid=(\d+) minor=(\d+) state=(0x[0-9a-f]+|\d+)(?: args=(\w+):(.+))?$/.exec(line.trim())
  if (found === null) return undefined
  const [, pid, minor, state, type = '', path = ''] = found
  return { pid: Number(pid), minor: Number(minor), state: Number(state), type, path }
}
