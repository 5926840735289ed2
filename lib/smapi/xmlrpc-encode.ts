import { XmlDate, XmlRpcError, type XmlInput } from './xmlrpc-value.ts'

const DECLARATION = "<?xml version='1.0'?>\n"
const NOT_XML_CHARACTER = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu
const MAX_INT = 0x7fffffff
const MIN_INT = -0x80000000

/**
 * The answer that carries a value, byte for byte as the reference writes it (spec smapi 3.1).
 * Throws `XmlRpcError` for a number that is no 32-bit integer.
 */
export function encodeMethodResponse(value: XmlInput): string {
  return `${DECLARATION}<methodResponse>\n${encodeParams([value])}</methodResponse>\n`
}

/** The answer that carries a fault (spec smapi 3.1). `code` must be a 32-bit integer. */
export function encodeFault(code: number, message: string): string {
  const fault = encodeValue({ faultCode: code, faultString: message })
  return `${DECLARATION}<methodResponse>\n<fault>\n${fault}</fault>\n</methodResponse>\n`
}

/** A request in the same style; every string is typed. */
export function encodeMethodCall(method: string, params: readonly XmlInput[]): string {
  return `${DECLARATION}<methodCall>\n<methodName>${escape(method)}</methodName>\n${encodeParams(params)}</methodCall>\n`
}

function encodeParams(params: readonly XmlInput[]): string {
  return `<params>\n${params.map(param => `<param>\n${encodeValue(param)}</param>\n`).join('')}</params>\n`
}

function encodeValue(value: XmlInput): string {
  // Without a line end, as the reference has it.
  if (value === null) return '<value><nil/></value>'
  return `<value>${encodeContent(value)}</value>\n`
}

function encodeContent(value: Exclude<XmlInput, null>): string {
  switch (typeof value) {
    case 'string':
      return `<string>${escape(value)}</string>`
    case 'boolean':
      return `<boolean>${value ? '1' : '0'}</boolean>`
    case 'number':
      return `<int>${checkedInt(value)}</int>`
    case 'object':
      break
    default:
      throw new XmlRpcError(`a value of type ${typeof value} cannot be sent`)
  }
  if (value instanceof XmlDate) return `<dateTime.iso8601>${escape(value.text)}</dateTime.iso8601>`
  if (isList(value)) return `<array><data>\n${value.map(encodeValue).join('')}</data></array>`
  return `<struct>\n${Object.entries(value).map(encodeMember).join('')}</struct>`
}

function checkedInt(value: number): number {
  if (Number.isInteger(value) && value >= MIN_INT && value <= MAX_INT) return value
  throw new XmlRpcError(`${value} is no 32-bit integer`)
}

function isList(value: XmlInput): value is readonly XmlInput[] {
  return Array.isArray(value)
}

function encodeMember([name, value]: [string, XmlInput]): string {
  return `<member>\n<name>${escape(name)}</name>\n${encodeValue(value)}</member>\n`
}

/** A character that XML 1.0 forbids would make the reader drop the whole answer; a plain CR would arrive as LF. */
function escape(text: string): string {
  return text
    .replace(NOT_XML_CHARACTER, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('\r', '&#13;')
}
