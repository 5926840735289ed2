import { constants } from 'node:os'
import { remark } from './output.ts'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
type Signal = (typeof SIGNALS)[number]

/** Somebody asked this process to end, and it has ended what it was doing: exit code 128 and the signal's number. */
export class Interrupted extends Error {
  readonly exitCode: number

  constructor(signal: Signal) {
    super(`interrupted by ${signal}`)
    this.name = 'Interrupted'
    this.exitCode = exitCodeOf(signal)
  }
}

/**
 * Runs `body` to its end though a signal asks this process to end: what is half done would have to be put right by hand. A
 * second signal ends the process at once. Throws Interrupted afterwards.
 */
export async function finishing<T>(body: () => Promise<T>): Promise<T> {
  return underSignals(
    () => {
      say('finishing what is under way; once more ends it at once')
    },
    () => body(),
  )
}

/**
 * Runs `body`, which stops and cleans up after itself when `stop` is aborted, as it is by a signal. A second signal ends the
 * process at once. Throws Interrupted where one came.
 */
export async function stopping<T>(body: (stop: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  return underSignals(
    interrupted => {
      say('stopping; once more ends it at once')
      controller.abort(interrupted)
    },
    async () => {
      try {
        return await body(controller.signal)
      } catch (error) {
        // A stream that is aborted says so in its own words.
        if (error instanceof Error && error.name === 'AbortError') controller.signal.throwIfAborted()
        throw error
      }
    },
  )
}

async function underSignals<T>(onFirst: (interrupted: Interrupted) => void, body: () => Promise<T>): Promise<T> {
  const { first, close } = watch(onFirst)
  try {
    const result = await body()
    const interrupted = first()
    if (interrupted !== undefined) throw interrupted
    return result
  } finally {
    close()
  }
}

function watch(onFirst: (interrupted: Interrupted) => void) {
  let first: Interrupted | undefined
  const onSignal = (signal: Signal): void => {
    if (first !== undefined) process.exit(exitCodeOf(signal))
    first = new Interrupted(signal)
    onFirst(first)
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  return {
    first: () => first,
    close: () => {
      for (const signal of SIGNALS) process.off(signal, onSignal)
    },
  }
}

/** On a terminal the line may be that of a progress bar. */
function say(text: string): void {
  remark(process.stderr.isTTY ? `\n${text}` : text)
}

function exitCodeOf(signal: Signal): number {
  return 128 + constants.signals[signal]
}
