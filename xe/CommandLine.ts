import { XeError } from './failures.ts'

/** A command line taken apart. */
export interface CommandLine {
  readonly command: string
  /** `key=value` parameters in order; a key may come more than once. */
  readonly params: readonly (readonly [key: string, value: string])[]
  /** Options without a value, e.g. `minimal`. */
  readonly flags: ReadonlySet<string>
  /** Options of the connection, by their long names. */
  readonly options: ReadonlyMap<string, string>
}

/** Options with a value, as users of `xe` know them, and ours for certificates. */
const valueOptions: ReadonlyMap<string, string> = new Map([
  ['-s', 'server'],
  ['-h', 'server'],
  ['--server', 'server'],
  ['-p', 'port'],
  ['--port', 'port'],
  ['-u', 'username'],
  ['--username', 'username'],
  ['-pw', 'password'],
  ['--password', 'password'],
  ['-pwf', 'password-file'],
  ['--password-file', 'password-file'],
  ['--ca-file', 'ca-file'],
  ['--pin-sha256', 'pin-sha256'],
])

/** Options without a value that make sense for some command. */
const knownFlags: ReadonlySet<string> = new Set([
  ...['minimal', 'force', 'multiple', 'allow-clone', 'insecure', 'nossl', 'help', 'version'],
])

/** Takes a command line apart, without the program's name. Throws XeError for what makes no sense. */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const words: string[] = []
  const flags = new Set<string>()
  const options = new Map<string, string>()
  for (let index = 0; index < argv.length; index += 1) {
    const word = argv[index] ?? ''
    const [name, inline] = splitOnce(word)
    const option = valueOptions.get(name)
    if (option !== undefined) {
      const value = inline ?? argv[(index += 1)]
      if (value === undefined) throw new XeError(`Option ${name} needs a value`)
      options.set(option, value)
    } else if (word.startsWith('--')) {
      if (!knownFlags.has(word.slice(2))) throw new XeError(`Unknown option: ${word}`)
      flags.add(word.slice(2))
    } else words.push(word)
  }
  const [command = flags.has('version') ? 'version' : 'help', ...rest] = words
  return { command, params: rest.map(toParam), flags, options }
}

function toParam(word: string): readonly [string, string] {
  const [key, value] = splitOnce(word)
  if (value === undefined || key === '') throw new XeError(`Syntax error: '${word}' is not of the form key=value`)
  return [key, value]
}

function splitOnce(word: string): [string, string?] {
  const at = word.indexOf('=')
  return at === -1 ? [word] : [word.slice(0, at), word.slice(at + 1)]
}
