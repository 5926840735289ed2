import { decodeMethodCall, XmlDate, XmlRpcError, type XmlValue } from '../../smapi/xmlrpc.ts'
import { XapiError } from '../../xapi/XapiClient.ts'
import { encodeBare, encodeFailure, encodeSuccess } from './xml-encode.ts'
import { maxBodyBytes, type Answering } from './answering.ts'

/** Without a charset: clients compare the whole header (spec toolstack 2.1). */
export const xmlContentType = 'text/xml'

/** Answers one document. Failures are answers too. */
export async function answerXml(body: string, answer: Answering): Promise<string> {
  try {
    const { method, params } = decodeMethodCall(body, maxBodyBytes)
    const { value, type } = await answer(method, params.map(plain))
    return method === 'system.listMethods' ? encodeBare(value, type) : encodeSuccess(value, type)
  } catch (error) {
    if (error instanceof XapiError) return encodeFailure([error.code, ...error.params])
    if (error instanceof XmlRpcError) return encodeFailure(['INTERNAL_ERROR', error.message])
    throw error
  }
}

function plain(value: XmlValue): unknown {
  if (value instanceof XmlDate) return value.text
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item)]))
}
