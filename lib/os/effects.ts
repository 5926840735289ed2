import { appendFileSync } from 'node:fs'
import { constants } from 'node:os'

/** What a process does to the outside world; each is a place where it can be stopped. */
export type EffectKind = 'file' | 'process' | 'xapi' | 'lock' | 'mount'

const TRACE = 'trace:'

type Action = 'kill' | { errno: string }

/**
 * Watches every outside effect of this process and stops it where a test wants it stopped.
 *
 * `SM_FIST` is a comma-separated list. An entry is a named crash point (`FileSR_revert_create_src`)
 * or `effect:N`, the N-th effect counted from 1; by default the process kills itself there with
 * SIGKILL, as a power cut would. `…=EIO` (any errno name) makes the point fail with that error instead.
 * `trace:FILE` appends a line per effect to a file: number, kind, what.
 * Ignored unless the process is root or runs under the test runner.
 */
export class Effects {
  readonly #actions: ReadonlyMap<string, Action>
  readonly #trace: string | undefined
  readonly #observe: ((index: number, kind: EffectKind, detail: string) => void) | undefined
  #count = 0

  constructor(
    fist: string | undefined = permittedFist(),
    observe?: (index: number, kind: EffectKind, detail: string) => void,
  ) {
    this.#observe = observe
    const entries = (fist ?? '').split(',').map(entry => entry.trim())
    this.#trace = entries.find(entry => entry.startsWith(TRACE))?.slice(TRACE.length)
    this.#actions = parseFist(entries)
  }

  /** Announces an effect that is about to happen. Throws an errno error where a test asks for one. */
  before(kind: EffectKind, detail: string): void {
    this.#count += 1
    this.#observe?.(this.#count, kind, detail)
    if (this.#trace !== undefined) appendFileSync(this.#trace, `${this.#count} ${kind} ${detail}\n`)
    this.#trigger(`effect:${this.#count}`, `${kind} ${detail}`)
  }

  /** A named crash point between two steps of an operation. */
  point(name: string): void {
    this.#trigger(name, name)
  }

  #trigger(key: string, detail: string): void {
    const action = this.#actions.get(key)
    if (action === undefined) return
    if (action === 'kill') process.kill(process.pid, 'SIGKILL')
    else throw errnoError(action.errno, `injected at ${detail}`)
  }
}

function permittedFist(): string | undefined {
  const allowed = process.geteuid?.() === 0 || process.env['VITEST'] !== undefined
  return allowed ? process.env['SM_FIST'] : undefined
}

function parseFist(entries: readonly string[]): Map<string, Action> {
  const actions = new Map<string, Action>()
  for (const entry of entries) {
    const [key, errno] = entry.split('=')
    if (key !== undefined && key !== '' && !entry.startsWith(TRACE))
      actions.set(key, errno === undefined ? 'kill' : { errno })
  }
  return actions
}

/** An error that looks like the system's own: `code` is the errno name, `errno` its negated number as Node has it. */
export function errnoError(code: string, message: string, cause?: unknown): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException = new Error(`${code}: ${message}`, cause === undefined ? undefined : { cause })
  error.code = code
  const number = (constants.errno as Readonly<Record<string, number>>)[code]
  if (number !== undefined) error.errno = -number
  return error
}
