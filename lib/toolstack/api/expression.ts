import { XapiError } from '../../xapi/XapiClient.ts'

/** Looks a field up as text; undefined where the object has no such field. */
export type FieldText = (field: string) => string | undefined

export type Predicate = (field: FieldText) => boolean

const maxLength = 64 * 1024
const maxDepth = 100

/**
 * Compiles the expression of `get_all_records_where` (spec toolstack 4): comparisons `field "a" = "b"` joined by
 * `and`, `or`, `not` and brackets. Blanks between words may be missing. Throws XapiError INVALID_VALUE.
 */
export function compileExpression(text: string): Predicate {
  if (text.length > maxLength) throw new XapiError('INVALID_VALUE', ['expr', `longer than ${maxLength} characters`])
  const parser = new Parser(tokenise(text), text)
  return parser.whole()
}

type Token = { readonly word: string } | { readonly quoted: string }

const tokenPattern = /\s*(?:(true|false|and|or|not|field|[()=])|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')/sy

function tokenise(text: string): Token[] {
  const tokens: Token[] = []
  const end = text.trimEnd().length
  tokenPattern.lastIndex = 0
  while (tokenPattern.lastIndex < end) {
    const match = tokenPattern.exec(text)
    if (match === null) throw new XapiError('INVALID_VALUE', ['expr', text])
    const [, word, double, single] = match
    tokens.push(word === undefined ? { quoted: (double ?? single ?? '').replace(/\\(.)/gs, '$1') } : { word })
  }
  return tokens
}

class Parser {
  readonly #tokens: readonly Token[]
  readonly #text: string
  #position = 0
  #depth = 0

  constructor(tokens: readonly Token[], text: string) {
    this.#tokens = tokens
    this.#text = text
  }

  whole(): Predicate {
    const predicate = this.#alternatives()
    if (this.#position < this.#tokens.length) throw this.#error()
    return predicate
  }

  #alternatives(): Predicate {
    let left = this.#conjunction()
    while (this.#take('or')) {
      const [a, b] = [left, this.#conjunction()]
      left = field => a(field) || b(field)
    }
    return left
  }

  #conjunction(): Predicate {
    let left = this.#term()
    while (this.#take('and')) {
      const [a, b] = [left, this.#term()]
      left = field => a(field) && b(field)
    }
    return left
  }

  #term(): Predicate {
    this.#depth += 1
    if (this.#depth > maxDepth) throw this.#error()
    const predicate = this.#innerTerm()
    this.#depth -= 1
    return predicate
  }

  #innerTerm(): Predicate {
    if (this.#take('not')) {
      const inner = this.#term()
      return field => !inner(field)
    }
    if (this.#take('(')) {
      const inner = this.#alternatives()
      this.#expect(')')
      return inner
    }
    if (this.#take('true')) return () => true
    if (this.#take('false')) return () => false
    return this.#comparison()
  }

  #comparison(): Predicate {
    const left = this.#operand()
    this.#expect('=')
    const right = this.#operand()
    return field => left(field) === right(field)
  }

  #operand(): (field: FieldText) => string {
    if (!this.#take('field')) {
      const literal = this.#quoted()
      return () => literal
    }
    const name = this.#quoted()
    const flat = name.replaceAll('__', '_')
    return field => {
      const value = field(flat)
      if (value === undefined) throw new XapiError('INVALID_VALUE', ['expr', `unknown field ${name}`])
      return value
    }
  }

  #quoted(): string {
    const token = this.#tokens[this.#position]
    if (token === undefined || !('quoted' in token)) throw this.#error()
    this.#position += 1
    return token.quoted
  }

  #take(word: string): boolean {
    const token = this.#tokens[this.#position]
    if (token === undefined || !('word' in token) || token.word !== word) return false
    this.#position += 1
    return true
  }

  #expect(word: string): void {
    if (!this.#take(word)) throw this.#error()
  }

  #error(): XapiError {
    return new XapiError('INVALID_VALUE', ['expr', this.#text])
  }
}
