import { loadLibc } from './libc.ts'

/** Priorities of syslog(3). */
export const PRIORITIES = { error: 3, warn: 4, info: 6, debug: 7 } as const

type Sink = (priority: number, line: string) => void

const LOG_LOCAL2 = 18 << 3
const MAX_PENDING = 10_000

/**
 * Sends lines to the system log, facility local2 (spec smapi 1). Lines wait until the C library is bound, which starts
 * with the first of them; beyond 10 000 waiting lines further ones are dropped.
 */
export class Syslog {
  readonly #ident: Buffer
  #sink: Sink | undefined
  #opening: Promise<void> | undefined
  #pending: { priority: number; line: string }[] = []

  constructor(ident: string) {
    this.#ident = Buffer.from(`${ident}\0`)
  }

  send(priority: number, line: string): void {
    if (this.#sink !== undefined) {
      this.#sink(priority, line)
      return
    }
    if (this.#pending.length < MAX_PENDING) this.#pending.push({ priority, line })
    this.#opening ??= this.#open()
  }

  /** Resolves when every line so far has been handed over. */
  async flush(): Promise<void> {
    await this.#opening
  }

  async #open(): Promise<void> {
    const sink = await openSink(this.#ident)
    for (const { priority, line } of this.#pending) sink(priority, line)
    this.#pending = []
    this.#sink = sink
  }
}

async function openSink(ident: Buffer): Promise<Sink> {
  try {
    const libc = await loadLibc()
    libc.openlog(ident, 0, LOG_LOCAL2)
    return libc.syslog
  } catch {
    // There is nowhere left to complain: xapi takes anything on stderr for part of an error.
    return () => undefined
  }
}
