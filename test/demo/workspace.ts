import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** A folder of its own for everything the demo makes. It goes, with what was mounted in it, however the demo ends. */
export function makeWorkspace(): { readonly root: string; readonly remove: () => void } {
  const root = mkdtempSync(path.join(tmpdir(), 'sm-demo-'))
  const remove = (): void => {
    endServers(root)
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

/** Ends what still serves disks of the demo, as where it was interrupted. */
function endServers(root: string): void {
  for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      if (command.includes('sm-nbd') && command.includes(`"${root}/`)) process.kill(Number(pid), 'SIGTERM')
    } catch (error) {
      if (existsSync(`/proc/${pid}`)) throw error // Else it has ended meanwhile.
    }
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
