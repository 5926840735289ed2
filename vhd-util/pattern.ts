/**
 * A shell pattern as a regular expression for a whole name: `*`, `?`, `[…]`, `\` and the extended `@(a|b)`, `?(…)`,
 * `*(…)`, `+(…)`, `!(…)`, as fnmatch(3) has them.
 */
export function patternToRegExp(pattern: string, options: { readonly extended?: boolean } = {}): RegExp {
  const { source } = translate(pattern, 0, { extended: options.extended === true, nested: false })
  return new RegExp(`^(?:${source})$`, 's')
}

/** Whether a word is a pattern at all. */
export function hasWildcards(word: string): boolean {
  return /(?<!\\)(?:\\\\)*[*?[]/.test(word)
}

/** Takes the backslashes of a word that is no pattern. */
export function unescape(word: string): string {
  return word.replaceAll(/\\(.)/gs, '$1')
}

interface Mode {
  readonly extended: boolean
  /** Within a group: `|` and `)` end an alternative. */
  readonly nested: boolean
}

interface Translated {
  readonly source: string
  readonly end: number
}

function translate(pattern: string, start: number, mode: Mode): Translated {
  let source = ''
  let at = start
  while (at < pattern.length && !(mode.nested && '|)'.includes(pattern.charAt(at)))) {
    const piece = translateOne(pattern, at, mode)
    source += piece.source
    at = piece.end
  }
  return { source, end: at }
}

function translateOne(pattern: string, at: number, mode: Mode): Translated {
  const character = pattern.charAt(at)
  if (mode.extended && '@?*+!'.includes(character) && pattern.charAt(at + 1) === '(') {
    const group = translateGroup(pattern, at, mode)
    if (group !== undefined) return group
  }
  if (character === '*') return { source: '.*', end: at + 1 }
  if (character === '?') return { source: '.', end: at + 1 }
  if (character === '[') return translateSet(pattern, at) ?? { source: '\\[', end: at + 1 }
  if (character === '\\' && at + 1 < pattern.length) return { source: literal(pattern.charAt(at + 1)), end: at + 2 }
  return { source: literal(character), end: at + 1 }
}

/** Undefined where the group is not closed: then it is text. */
function translateGroup(pattern: string, at: number, mode: Mode): Translated | undefined {
  const alternatives: string[] = []
  let end = at + 1
  do {
    const alternative = translate(pattern, end + 1, { ...mode, nested: true })
    alternatives.push(alternative.source)
    end = alternative.end
  } while (pattern.charAt(end) === '|')
  if (pattern.charAt(end) !== ')') return undefined
  const any = `(?:${alternatives.join('|')})`
  const kind = pattern.charAt(at)
  if (kind === '!') return { source: `(?!${any}$).*`, end: end + 1 }
  return { source: kind === '@' ? any : `${any}${kind}`, end: end + 1 }
}

/** Undefined where the set is not closed. */
function translateSet(pattern: string, at: number): Translated | undefined {
  const negated = '!^'.includes(pattern.charAt(at + 1)) && pattern.charAt(at + 1) !== ''
  const first = at + (negated ? 2 : 1)
  const close = pattern.indexOf(']', first + 1)
  if (close === -1) return undefined
  const members = pattern.slice(first, close).replaceAll(/[\\\]^[]/g, '\\$&')
  return { source: `[${negated ? '^' : ''}${members}]`, end: close + 1 }
}

function literal(character: string): string {
  return character.replace(/[$()*+.?[\\\]^{|}/-]/, '\\$&')
}
