import { Typed, type ResultType } from '../api/types.ts'
import { definitionOf } from '../schema/schema.ts'

/** A value as XenAPI writes it in XML-RPC: 64-bit integers are strings, void is an empty one (spec toolstack 3). */
export function encodeValue(value: unknown, type: ResultType): string {
  if (value instanceof Typed) return encodeValue(value.value, value.type)
  return `<value>${encodeContent(value, type)}</value>`
}

/** The answer that carries a value in the Status envelope (spec toolstack 2.1). */
export function encodeSuccess(value: unknown, type: ResultType): string {
  return encodeAnswer(struct([member('Status', text('Success')), member('Value', encodeValue(value, type))]))
}

export function encodeFailure(description: readonly string[]): string {
  const list = encodeValue(description, 'strings')
  return encodeAnswer(struct([member('Status', text('Failure')), member('ErrorDescription', list)]))
}

/** The one kind of answer without an envelope. */
export function encodeBare(value: unknown, type: ResultType): string {
  return encodeAnswer(encodeValue(value, type))
}

function encodeAnswer(value: string): string {
  return `<?xml version="1.0"?><methodResponse><params><param>${value}</param></params></methodResponse>`
}

function encodeContent(value: unknown, type: ResultType): string {
  if (typeof type === 'object') return encodeCompound(value, type)
  switch (type) {
    case 'void':
      return ''
    case 'int32':
      return `<i4>${String(value)}</i4>`
    case 'float':
      return `<double>${String(value)}</double>`
    case 'bool':
      return `<boolean>${value === true ? '1' : '0'}</boolean>`
    case 'datetime':
      return `<dateTime.iso8601>${escape(String(value))}</dateTime.iso8601>`
    case 'strings':
    case 'refs':
      return array(itemsOf(value).map(item => text(String(item))))
    case 'map':
    case 'intMap':
      return membersOf(value, 'string')
    case 'typed':
      throw new TypeError('a value without its type')
    case 'string':
    case 'ref':
    case 'int':
      return escape(String(value))
  }
}

function encodeCompound(value: unknown, type: Extract<ResultType, object>): string {
  if ('listOf' in type) return array(itemsOf(value).map(item => encodeValue(item, type.listOf)))
  if ('mapOf' in type) return membersOf(value, type.mapOf)
  const fields = 'record' in type ? definitionOf(type.record).fields : type.struct
  const record = value as Readonly<Record<string, unknown>>
  const members = Object.entries(fields).map(([name, fieldType]) => member(name, encodeValue(record[name], fieldType)))
  return `<struct>${members.join('')}</struct>`
}

function membersOf(value: unknown, type: ResultType): string {
  const entries = Object.entries(value as Readonly<Record<string, unknown>>)
  return `<struct>${entries.map(([name, item]) => member(name, encodeValue(item, type))).join('')}</struct>`
}

function itemsOf(value: unknown): readonly unknown[] {
  return value as readonly unknown[]
}

function array(values: readonly string[]): string {
  return `<array><data>${values.join('')}</data></array>`
}

function struct(members: readonly string[]): string {
  return `<value><struct>${members.join('')}</struct></value>`
}

function member(name: string, value: string): string {
  return `<member><name>${escape(name)}</name>${value}</member>`
}

function text(value: string): string {
  return `<value>${escape(value)}</value>`
}

const notXmlCharacter = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu

/** A character that XML forbids would make the client drop the whole answer; a plain CR would arrive as LF. */
function escape(value: string): string {
  return value
    .replace(notXmlCharacter, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('\r', '&#13;')
}
