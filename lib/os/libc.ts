import type koffiModule from 'koffi'

/** The functions of the C library that Node has no name for. */
export interface Libc {
  /** Returns 0, or the errno where the call failed. */
  readonly fcntl: (fd: number, command: number, argument: Buffer) => number
  /** Keeps the pointer: `ident` must be NUL-terminated and live as long as lines are sent. */
  readonly openlog: (ident: Buffer, options: number, facility: number) => void
  /** Sends one line as it is, without interpreting it as a format. */
  readonly syslog: (priority: number, line: string) => void
  /** Copies up to `length` bytes from one file to another inside the kernel; a shorter count than asked for is no failure. */
  readonly copyFileRange: (from: FilePlace, to: FilePlace, length: number) => Promise<CallResult>
  /** As fallocate(2) with its mode bits; the value is 0. */
  readonly fallocate: (fd: number, mode: number, range: { offset: number; length: number }) => Promise<CallResult>
  /** As lseek(2); the value is the offset found. */
  readonly lseek: (fd: number, offset: number, whence: number) => CallResult
  /** Has the kernel write back and forget what it keeps of an open block device (BLKFLSBUF); the value is 0. */
  readonly flushBuffers: (fd: number) => Promise<CallResult>
  /** Where a buffer's bytes are in memory. */
  readonly addressOf: (buffer: Buffer) => bigint
}

/** A byte offset in an open file. */
export interface FilePlace {
  readonly fd: number
  readonly position: number
}

/** What a system call returned, or why it failed. */
export type CallResult =
  { readonly value: number; readonly errno?: never } | { readonly value?: never; readonly errno: number }

/** Numbers of ioctl(2). */
const BLKFLSBUF = 0x1261

let loaded: Promise<Libc> | undefined

/** Binds the C library on first use: plugins that only answer a question never pay for it. Rejects where koffi cannot be loaded. */
export function loadLibc(): Promise<Libc> {
  loaded ??= bind()
  return loaded
}

type Koffi = typeof koffiModule
type Library = ReturnType<Koffi['load']>

async function bind(): Promise<Libc> {
  const { default: koffi } = await import('koffi')
  const library = koffi.load(null)
  const fcntl = library.func('int fcntl(int fd, int command, void *argument)') as (
    fd: number,
    command: number,
    argument: Buffer,
  ) => number
  const openlog = library.func('void openlog(void *ident, int options, int facility)') as Libc['openlog']
  const syslog = library.func('void syslog(int priority, const char *format, ...)') as (
    priority: number,
    format: string,
    type: string,
    line: string,
  ) => void
  const ioctl = library.func('int ioctl(int fd, unsigned long request, intptr_t argument)')
  return {
    fcntl: (fd, command, argument) => (fcntl(fd, command, argument) === -1 ? koffi.errno() : 0),
    openlog,
    syslog: (priority, line) => {
      syslog(priority, '%s', 'const char *', line)
    },
    flushBuffers: fd => callAside(koffi, ioctl, [fd, BLKFLSBUF, 0]),
    addressOf: buffer => koffi.address(buffer),
    ...bindRanges(koffi, library),
  }
}

/** The calls for ranges of files. Positions are signed 64 bits, exact here up to 2^53. */
function bindRanges(koffi: Koffi, library: Library): Pick<Libc, 'copyFileRange' | 'fallocate' | 'lseek'> {
  const copy = library.func(
    'intptr_t copy_file_range(int from, _Inout_ int64_t *fromOffset, int to, _Inout_ int64_t *toOffset, size_t length, unsigned int flags)',
  )
  const allocate = library.func('int fallocate(int fd, int mode, int64_t offset, int64_t length)')
  const seek = library.func('int64_t lseek(int fd, int64_t offset, int whence)') as (
    ...args: unknown[]
  ) => number | bigint
  return {
    copyFileRange: (from, to, length) =>
      callAside(koffi, copy, [from.fd, [from.position], to.fd, [to.position], length, 0]),
    fallocate: (fd, mode, { offset, length }) => callAside(koffi, allocate, [fd, mode, offset, length]),
    lseek: (fd, offset, whence) => toResult(koffi, Number(seek(fd, offset, whence))),
  }
}

/**
 * Calls on a worker thread. A failure's errno stays in that thread, so a call that failed is made once more on this one:
 * it gives its reason, or its result where the reason has gone.
 */
async function callAside(koffi: Koffi, call: ReturnType<Library['func']>, args: unknown[]): Promise<CallResult> {
  const value = await new Promise<number>((resolve, reject) => {
    call.async(...args, (error: unknown, result: unknown) => {
      if (error instanceof Error) reject(error)
      else resolve(Number(result))
    })
  })
  return value === -1 ? toResult(koffi, Number((call as (...args: unknown[]) => unknown)(...args))) : { value }
}

function toResult(koffi: Koffi, value: number): CallResult {
  return value === -1 ? { errno: koffi.errno() } : { value }
}
