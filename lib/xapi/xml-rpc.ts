import { decodeMethodResponse, encodeMethodCall, XmlDate, type XmlInput, type XmlValue } from '../smapi/xmlrpc.ts'
import { maxAnswerBytes } from './http.ts'
import { isObject, isStrings, type XapiAnswer, type XapiProtocol } from './protocol.ts'
import type { XapiValue } from './XapiClient.ts'

/** Arguments that are dates: by method, the position after the session (XML-RPC has a type of its own for them). */
const datePositions: ReadonlyMap<string, number> = new Map([
  ['VDI.db_introduce', 16],
  ['VDI.introduce', 16],
  ['VDI.set_snapshot_time', 1],
])

/** XML-RPC as xapi serves it: a Status struct around every value (spec toolstack 2.1). */
export const xmlRpc: XapiProtocol = {
  path: '/',
  contentType: 'text/xml',

  encode(method, params) {
    const position = datePositions.get(method)
    const values = params.map((param, index): XmlInput => {
      const isDate = position !== undefined && index === position + 1 && typeof param === 'string'
      return isDate ? new XmlDate(param) : toXml(param)
    })
    return encodeMethodCall(method, values)
  },

  decode(body) {
    const response = decodeMethodResponse(body, maxAnswerBytes)
    if ('fault' in response) return { failure: ['INTERNAL_ERROR', response.fault.message] }
    return answerOf(toPlain(response.value))
  },
}

function answerOf(envelope: unknown): XapiAnswer | undefined {
  if (!isObject(envelope)) return undefined
  const { Status: status, Value: value, ErrorDescription: description } = envelope
  if (status === 'Success') return { value }
  return status === 'Failure' && isStrings(description) && description.length > 0 ? { failure: description } : undefined
}

function toXml(value: XapiValue): XmlInput {
  if (isList(value)) return value.map(toXml)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, toXml(member)]))
}

function isList(value: XapiValue): value is readonly XapiValue[] {
  return Array.isArray(value)
}

/** Dates become their text, as they are in JSON, so that callers see one form. */
function toPlain(value: XmlValue): unknown {
  if (value instanceof XmlDate) return value.text
  if (Array.isArray(value)) return value.map(toPlain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, toPlain(member)]))
}
