import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { unmountBelow } from '../../support/unmountBelow.ts'

export const program = fileURLToPath(new URL('../../../bin/sm', import.meta.url))
const bundle = fileURLToPath(new URL('../../../dist/sm.cjs', import.meta.url))

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly bytes: Buffer
  readonly stderr: string
}

export interface RunOptions {
  readonly input?: Buffer
  /** Changes to the environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** A program that runs `sm`, with its arguments. */
  readonly through?: readonly string[]
}

/** A folder of its own with an SM_ROOT in it, and `sm` as a user runs it. */
export class Workbench {
  readonly folder: string = mkdtempSync(path.join(tmpdir(), 'sm-cli-'))
  readonly root: string

  constructor() {
    if (!existsSync(bundle)) throw new Error('dist/sm.cjs is missing: npm run build')
    this.root = this.path('root')
  }

  path(...names: string[]): string {
    return path.join(this.folder, ...names)
  }

  /** Runs `sm` and gives back how it ended, whatever its exit code. */
  sm(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    const env = { PATH: process.env['PATH'], HOME: this.folder, LANG: 'C.UTF-8', SM_ROOT: this.root, ...options.env }
    return new Promise((resolve, reject) => {
      const [command = '', ...rest] = [...(options.through ?? []), process.execPath, program, ...args]
      const child = spawn(command, rest, { env, cwd: this.folder })
      const output: Buffer[] = []
      let stderr = ''
      child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
      child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
      child.stdin.on('error', () => undefined)
      child.stdin.end(options.input)
      child.on('error', reject)
      child.on('close', code => {
        const bytes = Buffer.concat(output)
        resolve({ code, bytes, stdout: bytes.toString(), stderr })
      })
    })
  }

  /** Runs `sm`, which must succeed, and gives back its standard output without the last line end. */
  async ok(...args: string[]): Promise<string> {
    const outcome = await this.sm(args)
    if (outcome.code !== 0)
      throw new Error(`sm ${args.join(' ')}: exit code ${outcome.code ?? 'none'}\n${outcome.stderr}`)
    return outcome.stdout.trimEnd()
  }

  /** Runs `sm … --json`, which must succeed. */
  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.ok(...args, '--json')) as T
  }

  /** Unmounts what is mounted below the folder and removes it. */
  remove(): void {
    unmountBelow(this.folder)
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** The fields that tests look at, as `--json` shows them. */
export interface VdiJson {
  readonly ref: string
  readonly uuid: string
  readonly kind: string
  readonly name_label: string
  readonly virtual_size: number
  readonly physical_utilisation: number
  readonly is_a_snapshot: boolean
  readonly snapshot_of: string
}

export interface PlanJson {
  readonly mode: string
  readonly possible: boolean
  readonly snapshot: string
  readonly target: string
  readonly virtual_size_before: number
  readonly virtual_size_after: number
  readonly depth_before: number
  readonly depth_after: number
  readonly space_needed: number
  readonly blockers: readonly { readonly error: string; readonly code: number | null; readonly detail: string }[]
}

export const MIB = 1024 * 1024
