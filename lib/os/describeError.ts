/** What a log says of a failure: where it happened, and what caused it, which the text that clients get may leave out. */
export function describeError(error: unknown): string {
  const texts: string[] = []
  const seen = new Set<unknown>()
  for (let current = error; current !== undefined && !seen.has(current); current = causeOf(current)) {
    seen.add(current)
    texts.push(stackOf(current))
  }
  return texts.join('\ncaused by: ')
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined
}
