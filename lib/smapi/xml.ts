import { Parser } from 'xml2js/lib/parser.js'
import { XmlRpcError } from './xmlrpc-value.ts'

/** An element without its attributes. `text` is all its own character data; blanks between child elements are not kept. */
export interface XmlElement {
  readonly text: string
  readonly children: ReadonlyMap<string, readonly XmlElement[]>
}

const MAX_DEPTH = 256
const TEXT = '#text'
const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
const NOT_XML_CHARACTER = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u

/**
 * Reads a whole document (spec smapi 2.4) and returns its root element's name and content.
 *
 * Only elements of the vocabulary may occur, there may be no DOCTYPE, and no character that XML 1.0
 * forbids, written plainly or as a reference. `maxBytes` limits the document's UTF-8 size.
 * Throws `XmlRpcError`.
 */
export function parseXml(
  xml: string,
  vocabulary: ReadonlySet<string>,
  maxBytes: number,
): { name: string; root: XmlElement } {
  if (Buffer.byteLength(xml) > maxBytes) throw new XmlRpcError(`document is longer than ${maxBytes} bytes`)
  refuseForbidden(xml)
  const tree = parseTree(xml.replace(/\r\n?/g, '\n'), vocabulary)
  const [entry, ...more] = typeof tree === 'object' && tree !== null ? Object.entries(tree) : []
  if (entry === undefined || more.length > 0) throw new XmlRpcError('document has no root element')
  return { name: entry[0], root: toElement(entry[1], 1) }
}

function refuseForbidden(text: string): void {
  const found = NOT_XML_CHARACTER.exec(text)?.[0].codePointAt(0)
  if (found !== undefined) throw new XmlRpcError(`character ${found.toString(16)} is not allowed in XML`)
}

function parseTree(xml: string, vocabulary: ReadonlySet<string>): unknown {
  const refuse = (what: string) => () => {
    throw new XmlRpcError(`${what} is not accepted`)
  }
  const knownName = (name: string) => (vocabulary.has(name) ? name : refuse(`element ${name}`)())
  const parser = new Parser({
    explicitArray: true,
    ignoreAttrs: true,
    charkey: TEXT,
    tagNameProcessors: [knownName],
  })
  parser.saxParser.ENTITIES = Object.assign(Object.create(null), ENTITIES) as Record<string, string>
  parser.saxParser.ondoctype = refuse('DOCTYPE')
  parser.saxParser.onsgmldeclaration = refuse('a markup declaration')
  return runParser(parser, xml)
}

function runParser(parser: Parser, xml: string): unknown {
  const roots: unknown[] = []
  const failures: unknown[] = []
  // Own listeners instead of a callback: with one, the parser stops reporting after the root element has ended.
  parser.on('end', root => roots.push(root))
  parser.on('error', error => {
    failures.push(error)
    // Ends the reading: the parser would go on and make an error of everything that is out of place.
    throw new XmlRpcError('not read further')
  })
  try {
    parser.parseString(xml)
  } catch (error) {
    failures.push(error)
  }
  const [failure] = failures
  if (failure instanceof XmlRpcError) throw failure
  if (failure !== undefined) throw new XmlRpcError(`not well-formed XML: ${firstLine(failure)}`, { cause: failure })
  if (roots.length !== 1) throw new XmlRpcError('document must have one root element')
  return roots[0]
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? ''
}

/** xml2js gives a string where an element has text only, else an object of child lists with the text under its own key. */
function toElement(node: unknown, depth: number): XmlElement {
  if (depth > MAX_DEPTH) throw new XmlRpcError(`elements are nested deeper than ${MAX_DEPTH}`)
  if (typeof node === 'string') return { text: checked(node), children: new Map() }
  const children = new Map<string, XmlElement[]>()
  let text = ''
  for (const [key, content] of Object.entries(node as Record<string, unknown>)) {
    if (key === TEXT) text = checked(String(content))
    else if (Array.isArray(content)) {
      children.set(
        key,
        content.map(child => toElement(child, depth + 1)),
      )
    }
  }
  return { text: children.size > 0 && text.trim() === '' ? '' : text, children }
}

function checked(text: string): string {
  refuseForbidden(text)
  return text
}
