/** Options of the parser that keep the order of children; see `lib/smapi/xml2js-parser.d.ts` for the rest. */
declare module 'xml2js/lib/parser.js' {
  export interface ParserOptions {
    readonly explicitRoot?: boolean
    readonly explicitChildren?: boolean
    readonly preserveChildrenOrder?: boolean
    readonly charsAsChildren?: boolean
    readonly includeWhiteChars?: boolean
    readonly attrkey?: string
    readonly childkey?: string
  }
}
