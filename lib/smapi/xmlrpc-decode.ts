import { parseXml, type XmlElement } from './xml.ts'
import { isStruct, XmlDate, XmlRpcError, type XmlValue } from './xmlrpc-value.ts'

const DEFAULT_MAX_BYTES = 1024 * 1024

const scalars = new Map<string, (text: string) => XmlValue>([
  ['string', text => text],
  ['int', decodeInteger],
  ['i4', decodeInteger],
  ['i8', decodeInteger],
  ['double', decodeDouble],
  ['boolean', decodeBoolean],
  ['nil', () => null],
  ['dateTime.iso8601', text => new XmlDate(text.trim())],
  ['base64', decodeBase64],
])

const vocabulary: ReadonlySet<string> = new Set([
  ...scalars.keys(),
  ...['methodCall', 'methodName', 'methodResponse', 'params', 'param', 'fault'],
  ...['value', 'struct', 'member', 'name', 'array', 'data'],
])

/**
 * Decodes a request (spec smapi 2). Blanks in bare strings are kept; of duplicate members the last counts.
 * `maxBytes` limits the document, default 1 MiB. Throws `XmlRpcError`.
 */
export function decodeMethodCall(xml: string, maxBytes = DEFAULT_MAX_BYTES): { method: string; params: XmlValue[] } {
  const { name, root } = parseXml(xml, vocabulary, maxBytes)
  if (name !== 'methodCall') throw new XmlRpcError(`the root element is ${name}, not methodCall`)
  const parts = childrenOf(root, ['methodName', 'params'])
  const method = textOf(required(parts, 'methodName')).trim()
  if (!/^[\w.:/-]+$/.test(method)) throw new XmlRpcError('methodName is malformed')
  const params = parts.get('params')
  return { method, params: params === undefined ? [] : decodeParams(params) }
}

/** Decodes an answer (spec smapi 3.1): a plain value or a fault. Throws `XmlRpcError`. */
export function decodeMethodResponse(
  xml: string,
  maxBytes = DEFAULT_MAX_BYTES,
): { value: XmlValue } | { fault: { code: number; message: string } } {
  const { name, root } = parseXml(xml, vocabulary, maxBytes)
  if (name !== 'methodResponse') throw new XmlRpcError(`the root element is ${name}, not methodResponse`)
  const parts = childrenOf(root, ['params', 'fault'])
  const fault = parts.get('fault')
  if (fault !== undefined && parts.size === 1) return { fault: decodeFault(fault) }
  const [value, ...more] = decodeParams(required(parts, 'params'))
  if (value === undefined || more.length > 0 || fault !== undefined) {
    throw new XmlRpcError('an answer must be one value or one fault')
  }
  return { value }
}

function decodeFault(element: XmlElement): { code: number; message: string } {
  const value = decodeValue(onlyChild(element, 'value'))
  const code = isStruct(value) ? value['faultCode'] : undefined
  const message = isStruct(value) ? value['faultString'] : undefined
  if (typeof code !== 'number' || typeof message !== 'string') throw new XmlRpcError('malformed fault')
  return { code, message }
}

function decodeParams(element: XmlElement): XmlValue[] {
  return listOf(element, 'param').map(param => decodeValue(onlyChild(param, 'value')))
}

function decodeValue(element: XmlElement): XmlValue {
  if (element.children.size === 0) return element.text
  const [entry, ...more] = element.children
  if (entry === undefined || more.length > 0 || element.text !== '') throw new XmlRpcError('value has mixed content')
  const [type, elements] = entry
  const content = elements[0]
  if (content === undefined || elements.length > 1) throw new XmlRpcError('value has more than one content')
  if (type === 'struct') return decodeStruct(content)
  if (type === 'array') return listOf(onlyChild(content, 'data'), 'value').map(decodeValue)
  const decode = scalars.get(type)
  if (decode === undefined) throw new XmlRpcError(`${type} is no type of value`)
  return decode(textOf(content))
}

function decodeStruct(element: XmlElement): XmlValue {
  const struct = Object.create(null) as { [key: string]: XmlValue }
  for (const member of listOf(element, 'member')) {
    const parts = childrenOf(member, ['name', 'value'])
    struct[textOf(required(parts, 'name'))] = decodeValue(required(parts, 'value'))
  }
  return struct
}

function decodeInteger(text: string): number {
  const value = /^\s*[+-]?\d+\s*$/.test(text) ? Number(text) : NaN
  if (!Number.isSafeInteger(value)) throw new XmlRpcError('malformed integer')
  return value
}

function decodeDouble(text: string): number {
  const value = /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(text) ? Number(text) : NaN
  if (!Number.isFinite(value)) throw new XmlRpcError('malformed double')
  return value
}

function decodeBoolean(text: string): boolean {
  const digit = text.trim()
  if (digit !== '0' && digit !== '1') throw new XmlRpcError('malformed boolean')
  return digit === '1'
}

/** Binary data has no type of its own here: what SM passes is text. */
function decodeBase64(text: string): string {
  const packed = text.replace(/\s+/g, '')
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(packed)) {
    throw new XmlRpcError('malformed base64')
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(packed, 'base64'))
  } catch (error) {
    throw new XmlRpcError('base64 does not hold UTF-8 text', { cause: error })
  }
}

/** The children by name, each at most once and no others. */
function childrenOf(element: XmlElement, names: readonly string[]): Map<string, XmlElement> {
  if (element.text.trim() !== '') throw new XmlRpcError('text where only elements may be')
  const parts = new Map<string, XmlElement>()
  for (const [name, [first, ...more]] of element.children) {
    if (first === undefined || more.length > 0 || !names.includes(name)) throw new XmlRpcError(`misplaced ${name}`)
    parts.set(name, first)
  }
  return parts
}

function onlyChild(element: XmlElement, name: string): XmlElement {
  return required(childrenOf(element, [name]), name)
}

function required(parts: ReadonlyMap<string, XmlElement>, name: string): XmlElement {
  const part = parts.get(name)
  if (part === undefined) throw new XmlRpcError(`${name} is missing`)
  return part
}

function listOf(element: XmlElement, name: string): readonly XmlElement[] {
  const isList = element.text.trim() === '' && [...element.children.keys()].every(key => key === name)
  if (!isList) throw new XmlRpcError(`only ${name} elements may be here`)
  return element.children.get(name) ?? []
}

function textOf(element: XmlElement): string {
  if (element.children.size > 0) throw new XmlRpcError('elements where only text may be')
  return element.text
}
