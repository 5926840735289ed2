import { constants } from 'node:fs'
import * as fs from 'node:fs/promises'
import path from 'node:path'
import { isErrno } from '../os/files.ts'
import { tryLockFile, unlockFile } from '../os/posix-lock.ts'
import { SmError } from '../smapi/SmError.ts'

/** An open and locked lock file. */
export interface LockedFile {
  unlock(): Promise<void>
}

/** How often a lock file is opened anew because somebody removes its directory at the same time. */
const MAX_OPENS = 10

/** The file of a lock. Throws SmError LockErr (37) where a part could lead out of the base directory. */
export function lockPath(base: string, namespace: string, name: string): string {
  for (const part of namespace === '' ? [name] : [namespace, name]) {
    if (!/^(?!\.{1,2}$)[^/\p{Cc}]+$/u.test(part))
      throw new SmError('LockErr', `${JSON.stringify(part)} is no lock name`)
  }
  return path.join(base, namespace, name)
}

/** Opens and locks the file, making it and its directory where needed; undefined where somebody else has it locked. */
export async function lockFile(filePath: string): Promise<LockedFile | undefined> {
  for (let opens = 0; opens < MAX_OPENS; opens += 1) {
    const handle = await openLockFile(filePath)
    if (handle === undefined) continue
    const outcome = await lockHandle(handle, filePath).catch(async (error: unknown) => {
      await handle.close()
      throw error
    })
    if (outcome === 'locked') return { unlock: () => unlock(handle) }
    await handle.close()
    if (outcome === 'busy') return undefined
  }
  throw new SmError('LockErr', `${filePath} keeps being removed`)
}

/** Undefined where the directory vanished while it was made or before the file was opened. */
async function openLockFile(filePath: string): Promise<fs.FileHandle | undefined> {
  try {
    await fs.mkdir(path.dirname(filePath), { recursive: true })
    return await fs.open(filePath, constants.O_RDWR | constants.O_CREAT, 0o644)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

/** A lock on a file that was removed meanwhile excludes nobody: the next one to come makes a new file. */
async function lockHandle(handle: fs.FileHandle, filePath: string): Promise<'locked' | 'busy' | 'removed'> {
  if (!(await tryLockFile(handle.fd))) return 'busy'
  const [opened, named] = await Promise.all([handle.stat({ bigint: true }), statIfPresent(filePath)])
  return named !== undefined && opened.ino === named.ino && opened.dev === named.dev ? 'locked' : 'removed'
}

async function statIfPresent(filePath: string): Promise<{ ino: bigint; dev: bigint } | undefined> {
  try {
    return await fs.stat(filePath, { bigint: true })
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

/** Unlocks before closing: a child process just being started holds a copy of the descriptor until it runs its program. */
async function unlock(handle: fs.FileHandle): Promise<void> {
  try {
    await unlockFile(handle.fd)
  } finally {
    await handle.close()
  }
}

/** Unlinks all files of a directory and the directory. Where somebody else adds or removes some at the same time, theirs stand. */
export async function removeLockDirectory(directory: string): Promise<void> {
  const names = await unlessGone(fs.readdir(directory))
  for (const name of names ?? []) await unlessGone(fs.unlink(path.join(directory, name)))
  if (names !== undefined) await unlessGone(fs.rmdir(directory))
}

async function unlessGone<T>(outcome: Promise<T>): Promise<T | undefined> {
  try {
    return await outcome
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTEMPTY')) return undefined
    throw error
  }
}
