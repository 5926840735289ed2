import { Parser } from 'xml2js/lib/parser.js'

/** An element with everything xapi's parser looks at. */
export interface XmlNode {
  readonly name: string
  readonly hasAttributes: boolean
  readonly children: readonly XmlNode[]
  /** Character data directly in the element. */
  readonly text: string
}

/** Reads a document. Throws Error with the parser's message where it is not well-formed XML in UTF-8. */
export function parseXmlTree(document: Buffer): XmlNode {
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(document)
  if (/^\s+<\?xml/.test(text)) throw new Error('the XML declaration is not at the start')
  const roots: unknown[] = []
  const failures: unknown[] = []
  const parser = new Parser({
    explicitRoot: false,
    explicitChildren: true,
    preserveChildrenOrder: true,
    charsAsChildren: true,
    includeWhiteChars: true,
    attrkey: '$',
    childkey: '$$',
    charkey: '#text',
  })
  parser.on('end', root => roots.push(root))
  parser.on('error', failure => failures.push(failure))
  parser.parseString(text)
  const [failure] = failures
  if (failure !== undefined) throw failure instanceof Error ? failure : new Error('not well-formed XML')
  const [root] = roots
  if (roots.length !== 1 || !isNode(root)) throw new Error('the document has not one root element')
  return toNode(root)
}

interface ParsedNode {
  readonly '#name': string
  readonly '#text'?: string
  readonly $?: object
  readonly $$?: readonly ParsedNode[]
}

function isNode(value: unknown): value is ParsedNode {
  return typeof value === 'object' && value !== null && '#name' in value
}

function toNode(parsed: ParsedNode): XmlNode {
  const children = parsed.$$ ?? []
  const texts = children.filter(child => child['#name'] === '__text__').map(child => child['#text'] ?? '')
  return {
    name: parsed['#name'],
    hasAttributes: parsed.$ !== undefined,
    children: children.filter(child => child['#name'] !== '__text__').map(toNode),
    text: texts.filter(text => !isBlank(text)).join(''),
  }
}

/** xapi drops such text anywhere (spec smapi 3.2). A carriage return does not count as blank. */
function isBlank(text: string): boolean {
  return /^[\n\t ]*$/.test(text)
}
