import { constants } from 'node:os'
import { getSystemErrorName } from 'node:util'
import { errnoError } from './effects.ts'
import { type CallResult, type Libc, loadLibc } from './libc.ts'

/** A part of a file: stored, or a hole that reads as zeroes. Bytes. */
export interface FileRun {
  readonly position: number
  readonly length: number
  readonly stored: boolean
}

const PUNCH_HOLE_KEEPING_SIZE = 0x02 | 0x01
const SEEK_DATA = 3
const SEEK_HOLE = 4

const { EXDEV, EOPNOTSUPP, EINVAL, ENOSYS, ENXIO, EPERM, ETXTBSY } = constants.errno
/** Answers that mean "not in this way", by copy_file_range(2), fallocate(2) and lseek(2). */
const UNSUPPORTED: ReadonlySet<number> = new Set([EXDEV, EOPNOTSUPP, EINVAL, ENOSYS, EPERM, ETXTBSY])

/** See `OpenFile.copyFrom`. */
export async function copyRange(
  source: number,
  target: number,
  { from, to, length }: { readonly from: number; readonly to: number; readonly length: number },
): Promise<boolean> {
  const libc = await libcIfAny()
  if (libc === undefined) return false
  let done = 0
  while (done < length) {
    const places = [
      { fd: source, position: from + done },
      { fd: target, position: to + done },
    ] as const
    const copied = valueOf(await libc.copyFileRange(...places, length - done), 'copying a range')
    // Some file systems say 0 instead of "not supported"; what was copied before is only copied again.
    if (copied === undefined || copied === 0) return false
    done += copied
  }
  return true
}

/** See `OpenFile.punchHole`. */
export async function punchHole(fd: number, position: number, length: number): Promise<boolean> {
  const libc = await libcIfAny()
  if (libc === undefined) return false
  const result = await libc.fallocate(fd, PUNCH_HOLE_KEEPING_SIZE, { offset: position, length })
  return valueOf(result, 'punching a hole') !== undefined
}

/** See `OpenFile.runs`. Where nothing can be learned everything counts as stored. */
export async function fileRuns(fd: number, position: number, length: number): Promise<FileRun[]> {
  const end = position + length
  const libc = await libcIfAny()
  const seek = (from: number, whence: number): number => (libc === undefined ? from : found(libc, { fd, from, whence }))
  const runs: FileRun[] = []
  let at = position
  while (at < end) {
    const data = Math.min(end, seek(at, SEEK_DATA))
    if (data > at) runs.push({ position: at, length: data - at, stored: false })
    if (data === end) break
    const hole = libc === undefined ? end : Math.min(end, seek(data, SEEK_HOLE))
    const stop = hole > data ? hole : end
    runs.push({ position: data, length: stop - data, stored: true })
    at = stop
  }
  return runs
}

function found(libc: Libc, { fd, from, whence }: { fd: number; from: number; whence: number }): number {
  const result = libc.lseek(fd, from, whence)
  // Behind the last data there is only hole up to the end of the file.
  if (result.errno === ENXIO) return Number.MAX_SAFE_INTEGER
  return valueOf(result, 'looking for holes') ?? from
}

function valueOf({ value, errno }: CallResult, what: string): number | undefined {
  if (errno === undefined) return value
  if (UNSUPPORTED.has(errno)) return undefined
  throw errnoError(getSystemErrorName(-errno), what)
}

/** All of this is only a better way of what reads and writes do: without the library it is left out. */
async function libcIfAny(): Promise<Libc | undefined> {
  try {
    return await loadLibc()
  } catch {
    return undefined
  }
}
