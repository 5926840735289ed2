/** What a process does to the outside world; each is a place where it can be stopped. */
export type EffectKind = 'file' | 'process' | 'xapi' | 'lock' | 'mount'

type Action = 'kill' | { errno: string }

/**
 * Watches every outside effect of this process and stops it where a test wants it stopped.
 *
 * `SM_FIST` is a comma-separated list. An entry is a named crash point (`FileSR_revert_create_src`)
 * or `effect:N`, the N-th effect counted from 1; by default the process kills itself there with
 * SIGKILL, as a power cut would. `…=EIO` (any errno name) makes the point fail with that error instead.
 * Ignored unless the process is root or runs under the test runner.
 */
export class Effects {
  readonly #actions: ReadonlyMap<string, Action>
  readonly #observe: ((index: number, kind: EffectKind, detail: string) => void) | undefined
  #count = 0

  constructor(
    fist: string | undefined = permittedFist(),
    observe?: (index: number, kind: EffectKind, detail: string) => void,
  ) {
    this.#actions = parseFist(fist ?? '')
    this.#observe = observe
  }

  /** Announces an effect that is about to happen. Throws an errno error where a test asks for one. */
  before(kind: EffectKind, detail: string): void {
    this.#count += 1
    this.#observe?.(this.#count, kind, detail)
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

function parseFist(list: string): Map<string, Action> {
  const actions = new Map<string, Action>()
  for (const entry of list.split(',')) {
    const [key, errno] = entry.trim().split('=')
    if (key !== undefined && key !== '') actions.set(key, errno === undefined ? 'kill' : { errno })
  }
  return actions
}

/** An error that looks like the system's own: `code` is the errno name, `errno` its negated number as Node has it. */
export function errnoError(code: string, message: string, cause?: unknown): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException = new Error(`${code}: ${message}`, cause === undefined ? undefined : { cause })
  error.code = code
  return error
}
