import { randomUUID } from 'node:crypto'
import { Effects } from './effects.ts'
import { Files } from './files.ts'
import { makeRun, type Launch, type Run } from './run.ts'

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

/** `launch`: how commands are started where it is not as usual. */
export function makeSystem(effects: Effects = new Effects(), launch?: Launch): System {
  return { effects, files: new Files(effects), run: makeRun(effects, launch), newUuid: randomUUID, now: Date.now }
}
