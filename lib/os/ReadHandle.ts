import * as fs from 'node:fs'

/** What `OpenFile` needs of an open file; Node's `FileHandle` is one. */
export interface Handle {
  readonly fd: number
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ bytesRead: number }>
  write(buffer: Buffer, offset: number, length: number, position: number): Promise<{ bytesWritten: number }>
  truncate(length: number): Promise<void>
  sync(): Promise<void>
  stat(): Promise<fs.Stats>
  close(): Promise<void>
}

/**
 * A file open for reading only, at the least cost: a scan opens thousands. What cannot wait for a disk or a server is done
 * at once and not handed to another thread: `stat` of an open file, and `close` of one that has nothing to write back.
 * With `immediate` so are reads: for files that are in memory already, where another thread costs more than the read.
 */
export class ReadHandle implements Handle {
  readonly fd: number
  readonly #immediate: boolean
  #reading = 0
  #idle: (() => void) | undefined

  constructor(fd: number, immediate: boolean) {
    this.fd = fd
    this.#immediate = immediate
  }

  async read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ bytesRead: number }> {
    if (this.#immediate) return { bytesRead: fs.readSync(this.fd, buffer, offset, length, position) }
    this.#reading += 1
    try {
      return await new Promise((resolve, reject) => {
        fs.read(this.fd, buffer, offset, length, position, (error, bytesRead) => {
          if (error === null) resolve({ bytesRead })
          else reject(error)
        })
      })
    } finally {
      this.#reading -= 1
      if (this.#reading === 0) this.#idle?.()
    }
  }

  write(): Promise<never> {
    return notForWriting()
  }

  truncate(): Promise<never> {
    return notForWriting()
  }

  /** After reading only, there is nothing to make durable but what others wrote. */
  async sync(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      fs.fsync(this.fd, error => {
        if (error === null) resolve()
        else reject(error)
      })
    })
  }

  stat(): Promise<fs.Stats> {
    return Promise.resolve(fs.fstatSync(this.fd))
  }

  /** Waits for reads under way: their descriptor must not become another file's. */
  async close(): Promise<void> {
    if (this.#reading > 0) {
      await new Promise<void>(resolve => {
        this.#idle = resolve
      })
    }
    fs.closeSync(this.fd)
  }
}

/** Opens for reading. `flags` as for open(2). */
export async function openForReading(path: string, flags: number, immediate = false): Promise<ReadHandle> {
  if (immediate) return new ReadHandle(fs.openSync(path, flags), true)
  return new Promise((resolve, reject) => {
    fs.open(path, flags, (error, fd) => {
      if (error === null) resolve(new ReadHandle(fd, false))
      else reject(error)
    })
  })
}

async function notForWriting(): Promise<never> {
  return Promise.reject(new Error('the file is open for reading only'))
}
