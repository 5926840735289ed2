import { spawn } from 'node:child_process'
import type { Effects } from './effects.ts'
import { errnoError } from './effects.ts'

/** What a daemon says on its first line is at most this long. */
const MAX_LINE = 16 * 1024

/**
 * Starts a program that outlives this process, in a session of its own, and returns the first line it writes to stdout:
 * its word that it is ready, or why not. Throws an errno error where it cannot be started, EPIPE where it ends without
 * a word; what it wrote to stderr is in the message then.
 */
export async function startDaemon(effects: Effects, argv: readonly [string, ...string[]]): Promise<string> {
  effects.before('process', argv.join(' '))
  const [program, ...args] = argv
  const child = spawn(program, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const { stdout, stderr } = child
  let [said, complaints] = ['', '']
  return new Promise<string>((resolve, reject) => {
    const end = (act: () => void): void => {
      stdout.destroy()
      stderr.destroy()
      child.unref()
      act()
    }
    child.once('error', error => {
      end(() => {
        reject(error)
      })
    })
    stdout.setEncoding('utf8').on('data', (chunk: string) => {
      said += chunk
      const [line] = said.split('\n', 1)
      if (line !== undefined && (line.length < said.length || said.length > MAX_LINE)) {
        end(() => {
          resolve(line)
        })
      }
    })
    stderr.setEncoding('utf8').on('data', (chunk: string) => {
      complaints = (complaints + chunk).slice(-MAX_LINE)
    })
    child.once('close', code => {
      end(() => {
        reject(errnoError('EPIPE', `${program} ended with ${String(code)} before it was ready: ${complaints.trim()}`))
      })
    })
  })
}
