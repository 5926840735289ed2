import type { Effects } from './effects.ts'
import { strerror } from './strerror.ts'

export interface RunResult {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  /** Exit codes that are an answer and not a failure. Default: only 0. */
  readonly okExitCodes?: readonly number[]
  /** Every exit code is an answer. */
  readonly anyExitCode?: boolean
  /** What traces and errors show in place of the arguments, where these hold secrets. */
  readonly shownAs?: readonly string[]
  /** False for a command that only looks: it is no effect at which a test could stop the process. Default: true. */
  readonly changes?: boolean
}

/** A command that could not be run or ended with an unexpected exit code. The message has the reference's form (spec smapi 4.3). */
export class CommandError extends Error {
  readonly argv: readonly string[]
  /** Exit code of the command; by convention of the SM tools an errno number. 127 when it could not be started. */
  readonly exitCode: number
  readonly stderr: string

  constructor(argv: readonly string[], exitCode: number, stderr: string, reason: string) {
    const words = argv.map(word => `'${word}'`).join(', ')
    super(`Command [${words}] failed (${reason.trim()}): ${strerror(exitCode) ?? `exit code ${exitCode}`}`)
    this.name = 'CommandError'
    this.argv = argv
    this.exitCode = exitCode
    this.stderr = stderr
  }
}

export type Run = (argv: readonly [string, ...string[]], options?: RunOptions) => Promise<RunResult>

/** What a program is started with. */
export type LaunchOptions = Pick<RunOptions, 'cwd' | 'env' | 'input'>

/** How a program ended, or why it could not be started. */
export interface Launched {
  /** Absent where a signal ended it or it never ran. */
  readonly exitCode?: number | undefined
  readonly stdout: string
  readonly stderr: string
  /** Why it could not be run, with its arguments. */
  readonly shortMessage?: string | undefined
  /** The same as the name of an errno, without arguments. */
  readonly code?: string | undefined
}

/** Starts a program with the environment of this process and what is added to it, and waits for its end. */
export type Launch = (argv: readonly [string, ...string[]], options: LaunchOptions) => Promise<Launched>

/** Makes the function that runs external commands: argv arrays only, never a shell, locale fixed so that output can be parsed. */
export function makeRun(effects: Effects, launch: Launch = launchWithExeca): Run {
  return async (argv, options = {}) => {
    const shown = options.shownAs ?? argv
    if (options.changes !== false) effects.before('process', shown.join(' '))
    const result = await launch(argv, { ...options, env: { LC_ALL: 'C', ...options.env } })
    const exitCode = result.exitCode ?? 127
    if (options.anyExitCode !== true && !(options.okExitCodes ?? [0]).includes(exitCode)) {
      const said = result.stderr !== '' ? result.stderr : result.stdout
      const why = options.shownAs === undefined ? result.shortMessage : result.code
      throw new CommandError(shown, exitCode, result.stderr, said !== '' ? said : (why ?? ''))
    }
    return { exitCode, stdout: result.stdout, stderr: result.stderr }
  }
}

const launchWithExeca: Launch = async ([file, ...args], { cwd, env, input }) => {
  const { execa } = await import('execa')
  return execa(file, args, {
    reject: false,
    stripFinalNewline: false,
    ...(env === undefined ? {} : { env }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
  })
}
