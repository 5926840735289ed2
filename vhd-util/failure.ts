import { constants } from 'node:os'

/** Ends a command with a message and the errno as exit code (spec vhd 6). */
export class Failed extends Error {
  readonly errno: number
  readonly stream: 'out' | 'err'

  constructor(errno: number, text: string, stream: 'out' | 'err' = 'out') {
    super(text)
    this.name = 'Failed'
    this.errno = errno
    this.stream = stream
  }
}

/** The command line asks for nothing this command can do; `reason` is printed before the usage. */
export class UsageError extends Error {
  constructor(reason = '') {
    super(reason)
    this.name = 'UsageError'
  }
}

/** Positive errno of a failure; anything that is no failure of the system or of an image is thrown again. */
export function errnoOf(error: unknown): number {
  if (error instanceof Failed) return error.errno
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const number = typeof code === 'string' ? (constants.errno as Readonly<Record<string, number>>)[code] : undefined
  if (number === undefined) throw error
  return number
}

/** Waits for `work`; its failure becomes a `Failed` that says `text`. */
export async function orSay<T>(
  work: Promise<T>,
  text: (errno: number) => string,
  stream: 'out' | 'err' = 'out',
): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (error instanceof Failed) throw error
    const errno = errnoOf(error)
    throw new Failed(errno, text(errno), stream)
  }
}

/** Waits for `work`; its failure becomes what `error opening` says (spec vhd 7.3). */
export async function orCannotOpen<T>(work: Promise<T>, name: string): Promise<T> {
  return orSay(work, errno => `error opening ${name}: -${errno}\n`)
}
