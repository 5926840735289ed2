import { constants } from 'node:os'
import { getSystemErrorName } from 'node:util'
import { errnoError } from './effects.ts'
import { loadLibc } from './libc.ts'

const F_OFD_SETLK = 37
const F_WRLCK = 1
const F_UNLCK = 2

/**
 * Takes an exclusive record lock on the whole file, without waiting; false where somebody else has one. It conflicts
 * with the `fcntl` locks of other programs (spec file-sr 2).
 *
 * The lock belongs to the open file description: it lasts until it is unlocked or all copies of the descriptor are
 * closed, closing another descriptor of the same file does not drop it, and a second open in this process is excluded
 * by it. `fd` must be open for writing. Throws an errno error where the file cannot be locked at all.
 */
export async function tryLockFile(fd: number): Promise<boolean> {
  const { fcntl } = await loadLibc()
  const errno = fcntl(fd, F_OFD_SETLK, wholeFile(F_WRLCK))
  if (errno === constants.errno.EAGAIN || errno === constants.errno.EACCES) return false
  throwIfFailed(errno)
  return true
}

/** Drops the lock taken through this file description. */
export async function unlockFile(fd: number): Promise<void> {
  const { fcntl } = await loadLibc()
  throwIfFailed(fcntl(fd, F_OFD_SETLK, wholeFile(F_UNLCK)))
}

/**
 * `struct flock` as 64-bit Linux lays it out: type and whence (16 bits each, 4 bytes of padding), start and length
 * (64 bits), pid. Whence, start and length 0 mean the whole file; for these commands pid must be 0.
 */
function wholeFile(type: number): Buffer {
  const flock = Buffer.alloc(32)
  flock.writeInt16LE(type, 0)
  return flock
}

function throwIfFailed(errno: number): void {
  if (errno !== 0) throw errnoError(getSystemErrorName(-errno), 'locking a file')
}
