import { randomUUID } from 'node:crypto'
import { Effects } from './effects.ts'
import { Files } from './files.ts'
import { makeRun, type Run } from './run.ts'

/** Everything the code asks of the operating system, in one object, so that a test can replace or stop any of it. */
export interface System {
  readonly effects: Effects
  readonly files: Files
  readonly run: Run
  /** A fresh random uuid, lower case. */
  readonly newUuid: () => string
  /** Milliseconds since 1970. */
  readonly now: () => number
}

export function makeSystem(effects: Effects = new Effects()): System {
  return { effects, files: new Files(effects), run: makeRun(effects), newUuid: randomUUID, now: Date.now }
}
