import { spawn } from 'node:child_process'
import path from 'node:path'
import type { OpenFile } from '../../os/files.ts'
import type { System } from '../../os/system.ts'

/** How a program ended and what it said. */
export interface Outcome {
  /** Undefined where a signal ended it. */
  readonly exitCode: number | undefined
  readonly signal: string | undefined
  readonly stdout: Buffer
  readonly stderr: Buffer
}

/** The search path that xapi gives to plugins. */
const xapiPath = ['/sbin', '/usr/sbin', '/bin', '/usr/bin']

/** What a plugin may say at most; more is a fault of the plugin. */
const maxOutputBytes = 64 * 1024 * 1024

/**
 * Runs plugins as xapi does (spec smapi 1): no standard input, output into files, so that a child that a plugin leaves
 * behind holds nobody up, and an environment of their own.
 */
export class Executor {
  readonly #system: System
  readonly #scratch: string
  readonly #environment: Readonly<Record<string, string>>

  /** `scratch`: directory for outputs. `environment`: what plugins get besides PATH and ORIGINATOR. */
  constructor(system: System, scratch: string, environment: Readonly<Record<string, string>>) {
    this.#system = system
    this.#scratch = scratch
    this.#environment = { PATH: searchPath(), ORIGINATOR: 'SM', ...environment }
  }

  /** Runs a program with one argument, which is not logged. Throws the system's error where it cannot be started. */
  async run(program: string, argument: string): Promise<Outcome> {
    return this.#withScratch(async stdout =>
      this.#withScratch(async stderr => {
        this.#system.effects.before('process', program)
        const end = await this.#spawn(program, argument, [stdout.fd, stderr.fd])
        return { ...end, stdout: await contentOf(stdout), stderr: await contentOf(stderr) }
      }),
    )
  }

  #spawn(program: string, argument: string, [stdout, stderr]: readonly [number, number]): Promise<End> {
    return new Promise((resolve, reject) => {
      const child = spawn(program, [argument], { env: this.#environment, cwd: '/', stdio: ['ignore', stdout, stderr] })
      child.on('error', reject)
      child.on('exit', (code, signal) => {
        resolve({ exitCode: code ?? undefined, signal: signal ?? undefined })
      })
    })
  }

  /** A file without a name: it vanishes with its last user. */
  async #withScratch<T>(body: (file: OpenFile) => Promise<T>): Promise<T> {
    const { files, newUuid } = this.#system
    const name = path.join(this.#scratch, `output-${newUuid()}`)
    return files.using(files.create(name, { exclusive: true, mode: 0o600 }), async file => {
      await files.unlink(name)
      return body(file)
    })
  }
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
