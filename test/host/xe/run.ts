import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Box } from '../toolstack/box.ts'

const program = fileURLToPath(new URL('../../../bin/xe', import.meta.url))
const bundle = fileURLToPath(new URL('../../../dist/xe.cjs', import.meta.url))

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs `xe` as a user does, against the toolstack of a box. */
export function xe(box: Box, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  if (!existsSync(bundle)) throw new Error('dist/xe.cjs is missing: npm run build')
  const environment = { PATH: process.env['PATH'], SM_ROOT: box.root, SM_XAPI_URL: box.toolstack.url, ...env }
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    child.on('error', reject)
    child.on('close', code => {
      resolve({ code, stdout, stderr })
    })
  })
}

/** Runs `xe`, which must succeed, and returns what it printed without the last line end. */
export async function ok(box: Box, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await xe(box, args)
  if (code !== 0) throw new Error(`xe ${args.join(' ')}: exit code ${String(code)}\n${stderr}`)
  return stdout.replace(/\n$/, '')
}
