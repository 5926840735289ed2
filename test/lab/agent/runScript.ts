import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import type { RunOutcome } from '../protocol.ts'

const FUNCTIONS = '/project/test/lab/guest/functions.sh'

/** Runs a shell script that stops at its first failing command, with the lab's functions at hand. */
export async function runScript({ script, timeoutMs }: { script: string; timeoutMs: number }): Promise<RunOutcome> {
  const scratch = mkdtempSync('/tmp/script-')
  // Into files: daemons that the script leaves behind would hold pipes open.
  const names = ['stdout', 'stderr'].map(name => path.join(scratch, name))
  const [stdout = 1, stderr = 2] = names.map(name => openSync(name, 'w'))
  try {
    const exitCode = await new Promise<number | undefined>((resolve, reject) => {
      const child = spawn('/bin/sh', ['-c', `. ${FUNCTIONS}\nset -e\n${script}`], {
        stdio: ['ignore', stdout, stderr],
        cwd: '/tmp',
        timeout: timeoutMs,
        killSignal: 'SIGKILL',
      })
      child.on('error', reject)
      child.on('exit', code => {
        resolve(code ?? undefined)
      })
    })
    const [out = '', err = ''] = names.map(name => readFileSync(name, 'utf8'))
    return { exitCode, stdout: out, stderr: err }
  } finally {
    closeSync(stdout)
    closeSync(stderr)
    rmSync(scratch, { recursive: true })
  }
}
