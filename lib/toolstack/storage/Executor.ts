import { spawn } from 'node:child_process'
import path from 'node:path'
import type { Files } from '../../os/files.ts'
import type { OpenFile } from '../../os/OpenFile.ts'
import type { System } from '../../os/system.ts'

/** How a program ended and what it said. */
export interface Outcome {
  /** Undefined where a signal ended it. */
  readonly exitCode: number | undefined
  readonly signal: string | undefined
  readonly stdout: Buffer
  readonly stderr: Buffer
}

/** Runs a program with one argument and nothing but this environment. Rejects where it cannot be started. */
export type RunProgram = (
  program: string,
  argument: string,
  environment: Readonly<Record<string, string>>,
) => Promise<Outcome>

/** The search path that xapi gives to plugins. */
const xapiPath = ['/sbin', '/usr/sbin', '/bin', '/usr/bin']

/** What a plugin may say at most; more is a fault of the plugin. */
const maxOutputBytes = 64 * 1024 * 1024

/** Runs plugins as xapi does (spec smapi 1): each in a process, with an environment of their own. */
export class Executor {
  readonly #system: System
  readonly #environment: Readonly<Record<string, string>>
  readonly #runProgram: RunProgram

  /** `environment`: what plugins get besides PATH and ORIGINATOR. */
  constructor(system: System, environment: Readonly<Record<string, string>>, runProgram: RunProgram) {
    this.#system = system
    this.#environment = { PATH: searchPath(), ORIGINATOR: 'SM', ...environment }
    this.#runProgram = runProgram
  }

  /** Runs a program with one argument, which is not logged. Throws the system's error where it cannot be started. */
  async run(program: string, argument: string): Promise<Outcome> {
    this.#system.effects.before('process', program)
    return this.#runProgram(program, argument, this.#environment)
  }
}

/**
 * Makes what runs a program as a process: no standard input, and output into files below `scratch`, so that a child that
 * the program leaves behind holds nobody up. It has a session of its own: what is typed at our terminal is not meant for it.
 */
export function makeRunProgram(files: Files, newUuid: () => string, scratch: string): RunProgram {
  /** A file without a name: it vanishes with its last user. */
  const withScratch = <T>(body: (file: OpenFile) => Promise<T>): Promise<T> => {
    const name = path.join(scratch, `output-${newUuid()}`)
    return files.using(files.create(name, { exclusive: true, mode: 0o600 }), async file => {
      await files.unlink(name)
      return body(file)
    })
  }
  return (program, argument, env) =>
    withScratch(stdout =>
      withScratch(async stderr => {
        const end = await spawnWith(program, argument, { env, output: [stdout.fd, stderr.fd] })
        return { ...end, stdout: await contentOf(stdout), stderr: await contentOf(stderr) }
      }),
    )
}

interface SpawnOptions {
  readonly env: Readonly<Record<string, string>>
  readonly output: readonly [stdout: number, stderr: number]
}

function spawnWith(program: string, argument: string, { env, output }: SpawnOptions): Promise<End> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [argument], { env, cwd: '/', detached: true, stdio: ['ignore', ...output] })
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      resolve({ exitCode: code ?? undefined, signal: signal ?? undefined })
    })
  })
}

type End = Pick<Outcome, 'exitCode' | 'signal'>

/** On machines where node is in none of xapi's directories its own is added, or no plugin could start. */
function searchPath(): string {
  const own = path.dirname(process.execPath)
  return (xapiPath.includes(own) ? xapiPath : [...xapiPath, own]).join(':')
}

async function contentOf(file: OpenFile): Promise<Buffer> {
  const { size } = await file.stat()
  return file.read(0, Math.min(size, maxOutputBytes))
}
