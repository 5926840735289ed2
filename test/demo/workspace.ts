import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** A folder of its own for everything the demo makes. It goes, with what was mounted in it, however the demo ends. */
export function makeWorkspace(): { readonly root: string; readonly remove: () => void } {
  const root = mkdtempSync(path.join(tmpdir(), 'sm-demo-'))
  const remove = (): void => {
    endProcesses(root)
    for (const mount of mountsUnder(root)) unmount(mount)
    rmSync(root, { recursive: true, force: true })
  }
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.once(signal, () => {
      remove()
      process.exit(code)
    })
  }
  return { root, remove }
}

/** Ends the plugins and servers of a demo that was interrupted; what they would have cleaned up goes with the folder. */
function endProcesses(root: string): void {
  for (;;) {
    const running = readdirSync('/proc').filter(name => /^\d+$/.test(name) && worksIn(name, root))
    if (running.length === 0) return
    for (const pid of running) signal(pid)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
  }
}

function worksIn(pid: string, root: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(`SM_ROOT=${root}`)
  } catch {
    return false // It has ended meanwhile, or is another user's.
  }
}

function signal(pid: string): void {
  try {
    process.kill(Number(pid), 'SIGKILL')
  } catch (error) {
    if (existsSync(`/proc/${pid}`)) throw error // Else it has ended meanwhile.
  }
}

/** Mount points below a folder, innermost first. */
function mountsUnder(root: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .flatMap(line => line.split(' ')[4] ?? [])
    .map(text => text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))))
    .filter(mount => mount.startsWith(`${root}/`))
    .sort((a, b) => b.length - a.length)
}

function unmount(mount: string): void {
  if (spawnSync('umount', [mount]).status !== 0) spawnSync('umount', ['-l', mount])
}
