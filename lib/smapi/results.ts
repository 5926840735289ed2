import { encodeMethodResponse, XmlDate, type XmlInput } from './xmlrpc.ts'

/** What a command answers: nothing, a string, any struct, or the struct {location, uuid}. */
export type ResultKind = 'nil' | 'string' | 'struct' | 'vdi'

/**
 * The answer document for a result of this kind. xapi refuses whatever does not fit the command (spec smapi 3.2),
 * so a misfit is thrown here, as TypeError.
 */
export function encodeAnswer(command: string, kind: ResultKind, result: unknown): string {
  const value = result === undefined && kind === 'nil' ? null : result
  if (!isEncodable(value) || !fits[kind](value)) throw new TypeError(`${command} must answer ${expected[kind]}`)
  return encodeMethodResponse(value)
}

const expected: Readonly<Record<ResultKind, string>> = {
  nil: 'nothing',
  string: 'a string',
  struct: 'a struct',
  vdi: 'a struct of strings with location and uuid',
}

const fits: Readonly<Record<ResultKind, (value: XmlInput) => boolean>> = {
  nil: value => value === null,
  string: value => typeof value === 'string',
  struct: isStruct,
  vdi: value =>
    isStruct(value) &&
    typeof value['location'] === 'string' &&
    typeof value['uuid'] === 'string' &&
    Object.values(value).every(member => typeof member === 'string'),
}

function isStruct(value: unknown): value is Readonly<Record<string, XmlInput>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof XmlDate)
}

function isEncodable(value: unknown): value is XmlInput {
  if (value === null || value instanceof XmlDate) return true
  if (Array.isArray(value)) return value.every(isEncodable)
  if (typeof value === 'object') return Object.values(value).every(isEncodable)
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}
