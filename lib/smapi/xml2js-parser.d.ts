/** The parser alone: the package's index also loads the builder, which plugins do not need at start-up. */
declare module 'xml2js/lib/parser.js' {
  export interface ParserOptions {
    readonly explicitArray?: boolean
    readonly ignoreAttrs?: boolean
    readonly charkey?: string
    readonly tagNameProcessors?: readonly ((name: string) => string)[]
  }

  export class Parser {
    constructor(options?: ParserOptions)
    /** The sax parser below; replaced on every reset. */
    readonly saxParser: { ENTITIES: Record<string, string>; ondoctype?: () => void; onsgmldeclaration?: () => void }
    on(event: 'end' | 'error', listener: (value: unknown) => void): void
    /** Emits its events before it returns; may also throw. */
    parseString(text: string): void
  }
}
