/** The functions of the C library that Node has no name for. */
export interface Libc {
  /** Returns 0, or the errno where the call failed. */
  readonly fcntl: (fd: number, command: number, argument: Buffer) => number
  /** Keeps the pointer: `ident` must be NUL-terminated and live as long as lines are sent. */
  readonly openlog: (ident: Buffer, options: number, facility: number) => void
  /** Sends one line as it is, without interpreting it as a format. */
  readonly syslog: (priority: number, line: string) => void
}

let loaded: Promise<Libc> | undefined

/** Binds the C library on first use: plugins that only answer a question never pay for it. Rejects where koffi cannot be loaded. */
export function loadLibc(): Promise<Libc> {
  loaded ??= bind()
  return loaded
}

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
  return {
    fcntl: (fd, command, argument) => (fcntl(fd, command, argument) === -1 ? koffi.errno() : 0),
    openlog,
    syslog: (priority, line) => {
      syslog(priority, '%s', 'const char *', line)
    },
  }
}
