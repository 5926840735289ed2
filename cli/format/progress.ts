import { formatDuration } from './date.ts'
import { formatSize } from './sizes.ts'

/** Where progress is shown: standard error as a rule. */
export interface ProgressSink {
  write(text: string): unknown
  readonly isTTY?: boolean
}

export interface ProgressOptions {
  /** Undefined where it is not known beforehand. Bytes. */
  readonly total: number | undefined
  readonly label: string
  /** Show it even where the sink is no terminal: a line every few seconds. */
  readonly force: boolean
  readonly now: () => number
}

const TTY_INTERVAL_MS = 100
const PLAIN_INTERVAL_MS = 2000
const BAR_WIDTH = 24

/** Shows how far a copy is. On a terminal one line is rewritten; elsewhere nothing is shown unless asked for. */
export class Progress {
  readonly #sink: ProgressSink
  readonly #options: ProgressOptions
  readonly #started: number
  #shown = -Infinity

  constructor(sink: ProgressSink, options: ProgressOptions) {
    this.#sink = sink
    this.#options = options
    this.#started = options.now()
  }

  /** `done`: bytes so far. */
  update(done: number): void {
    const now = this.#options.now()
    const interval = this.#sink.isTTY === true ? TTY_INTERVAL_MS : PLAIN_INTERVAL_MS
    if (now - this.#shown < interval) return
    this.#shown = now
    this.#show(done)
  }

  /** Shows the final state. */
  finish(done: number): void {
    this.#show(done)
    if (this.#sink.isTTY === true) this.#sink.write('\n')
  }

  /** Leaves what was last shown as it is: the copy failed. */
  abandon(): void {
    if (this.#sink.isTTY === true && this.#shown > -Infinity) this.#sink.write('\n')
  }

  #show(done: number): void {
    if (this.#sink.isTTY === true) this.#sink.write(`\r\x1b[K${this.#line(done)}`)
    else if (this.#options.force) this.#sink.write(`${this.#line(done)}\n`)
  }

  #line(done: number): string {
    const { label, total, now } = this.#options
    const elapsed = Math.max(1, now() - this.#started)
    const speed = `${formatSize(Math.round((done * 1000) / elapsed))}/s`
    if (total === undefined) return `${label} ${formatSize(done)}  ${speed}`
    const share = total === 0 ? 1 : Math.min(1, done / total)
    const bar = '='.repeat(Math.round(share * BAR_WIDTH)).padEnd(BAR_WIDTH, '-')
    const left = share > 0 && share < 1 ? `  ${formatDuration((elapsed * (1 - share)) / share)} left` : ''
    return `${label} [${bar}] ${Math.floor(share * 100)}%  ${formatSize(done)} of ${formatSize(total)}  ${speed}${left}`
  }
}
