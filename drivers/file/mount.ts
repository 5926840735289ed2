import { readFileSync } from 'node:fs'
import path from 'node:path'
import { isErrno, type Files } from '../../lib/os/files.ts'

const CAP_SYS_ADMIN = 21n

/** Whether this process may mount: root in a user namespace without the capability may not. */
export function mayMount(): boolean {
  const match = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))
  return match?.[1] !== undefined && ((BigInt(`0x${match[1]}`) >> CAP_SYS_ADMIN) & 1n) === 1n
}

/**
 * Whether `directory` is a mount point, or a symbolic link to a directory, which is how an SR is attached where the
 * process may not mount. With `source`, a bind mount within one file system is recognised too, by device and inode.
 * What is mounted is not asked where the mount table tells: its server may be away, or know it no more.
 */
export async function isMounted(files: Files, directory: string, source?: string): Promise<boolean> {
  if (mountedSource(directory) !== undefined) return true
  try {
    if ((await files.lstat(directory)).isSymbolicLink()) return (await files.stat(directory)).isDirectory()
    const here = await files.identity(directory)
    const above = await files.identity(path.dirname(directory))
    if (here.dev !== above.dev || here.ino === above.ino) return true
    if (source === undefined) return false
    const there = await files.identity(source)
    return here.dev === there.dev && here.ino === there.ino
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
}

/** What the mount table has at a directory, such as `server:/path`; of several mounts over each other the uppermost. */
export function mountedSource(directory: string): string | undefined {
  const wanted = escaped(path.resolve(directory))
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  const line = lines.findLast(text => text.split(' ')[4] === wanted)
  return line?.split(' - ')[1]?.split(' ')[1]
}

/** As the mount table writes a name. */
function escaped(name: string): string {
  return name.replace(/[ \t\n\\]/g, c => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`)
}
