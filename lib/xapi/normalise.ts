import { isObject, isStrings } from './protocol.ts'
import { XapiTransportError, type StringMap } from './XapiClient.ts'

/**
 * Reads the fields of answers. 64-bit integers are numbers in JSON-RPC and decimal strings in XML-RPC; here they are
 * numbers. Each throws XapiTransportError, with `what` in its message, where the value is of another type.
 */
export function toText(value: unknown, what: string): string {
  if (typeof value !== 'string') throw wrongType(what, 'a string')
  return value
}

export function toBoolean(value: unknown, what: string): boolean {
  if (typeof value !== 'boolean') throw wrongType(what, 'a boolean')
  return value
}

export function toInteger(value: unknown, what: string): number {
  const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value
  if (typeof number !== 'number' || !Number.isSafeInteger(number)) throw wrongType(what, 'an integer')
  return number
}

export function toTexts(value: unknown, what: string): readonly string[] {
  if (!isStrings(value)) throw wrongType(what, 'a list of strings')
  return value
}

export function toMap(value: unknown, what: string): StringMap {
  const entries = Object.entries(toObject(value, what))
  return Object.fromEntries(entries.map(([key, text]) => [key, toText(text, `${what}:${key}`)]))
}

export function toObject(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (!isObject(value)) throw wrongType(what, 'a struct')
  return value
}

/** What `get_all_records_where` answers: records by reference. */
export function toRecords<T>(value: unknown, what: string, read: (record: unknown) => T): Map<string, T> {
  return new Map(Object.entries(toObject(value, what)).map(([ref, record]) => [ref, read(record)]))
}

function wrongType(what: string, expected: string): XapiTransportError {
  return new XapiTransportError(`${what} is not ${expected}`)
}
