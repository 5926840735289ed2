import { isObject, isStrings, type XapiAnswer, type XapiProtocol } from './protocol.ts'

let lastId = 0

/** JSON-RPC 2.0 as xapi serves it (spec toolstack 2.2). */
export const jsonRpc: XapiProtocol = {
  path: '/jsonrpc',
  contentType: 'application/json',

  encode(method, params) {
    lastId += 1
    return JSON.stringify({ jsonrpc: '2.0', method, params, id: lastId })
  },

  decode(body) {
    return answerOf(parse(body))
  },
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function answerOf(answer: unknown): XapiAnswer | undefined {
  if (!isObject(answer)) return undefined
  const { error } = answer
  if (error !== undefined && error !== null) return failureOf(error)
  return 'result' in answer ? { value: answer['result'] } : undefined
}

/** Version 2.0 answers `{message, data}`, version 1.0 the plain list. */
function failureOf(error: unknown): XapiAnswer | undefined {
  if (isStrings(error)) return { failure: error }
  if (!isObject(error) || typeof error['message'] !== 'string') return undefined
  const data = error['data']
  return { failure: [error['message'], ...(isStrings(data) ? data : [])] }
}
