import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Ends every mount below a folder, the most recent first. */
export function unmountBelow(folder: string): void {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .flatMap(line => line.split(' ')[4] ?? [])
    .filter(mount => mount.startsWith(`${folder}/`))
  for (const mount of mounts.reverse()) execFileSync('umount', ['-l', mount])
}
