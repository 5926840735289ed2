/** The options and operands of one command line. */
export interface Options {
  readonly flags: ReadonlySet<string>
  /** The last value given for each option that takes one. */
  readonly values: ReadonlyMap<string, string>
  readonly operands: readonly string[]
}

/** A command line that does not fit the command; `message` is what getopt(3) would complain. */
export class OptionError extends Error {}

/**
 * Parses as getopt(3) does: options combined (`-vsaf`), with their value attached or next, mixed with operands; `--` ends
 * them. In `accepted` a letter followed by a colon takes a value. Throws OptionError.
 */
export function getopt(argv: readonly string[], accepted: string): Options {
  const flags = new Set<string>()
  const values = new Map<string, string>()
  const operands: string[] = []
  const words = argv.values()
  for (const word of words) {
    if (word === '--') operands.push(...words)
    else if (word.length > 1 && word.startsWith('-')) readGroup(word.slice(1), { accepted, flags, values, words })
    else operands.push(word)
  }
  return { flags, values, operands }
}

interface Parsing {
  readonly accepted: string
  readonly flags: Set<string>
  readonly values: Map<string, string>
  readonly words: IterableIterator<string>
}

function readGroup(letters: string, { accepted, flags, values, words }: Parsing): void {
  for (let at = 0; at < letters.length; at++) {
    const letter = letters.charAt(at)
    const found = letter === ':' ? -1 : accepted.indexOf(letter)
    if (found === -1) throw new OptionError(`invalid option -- '${letter}'`)
    if (accepted.charAt(found + 1) !== ':') {
      flags.add(letter)
      continue
    }
    const attached = letters.slice(at + 1)
    const value = attached === '' ? nextWord(words) : attached
    if (value === undefined) throw new OptionError(`option requires an argument -- '${letter}'`)
    values.set(letter, value)
    return
  }
}

function nextWord(words: IterableIterator<string>): string | undefined {
  const next: IteratorResult<string, unknown> = words.next()
  return next.done === true ? undefined : next.value
}
