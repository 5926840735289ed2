import { isObject } from '../../xapi/protocol.ts'
import { XapiError } from '../../xapi/XapiClient.ts'
import { Typed } from '../api/types.ts'
import type { Answering } from './answering.ts'

/** JSON-RPC 2.0, and 1.0 where the member `jsonrpc` is missing (spec toolstack 2.2). */
export const jsonContentType = 'application/json'

/** Answers one document. Failures are answers too. */
export async function answerJson(body: string, answer: Answering): Promise<string> {
  const request = parse(body)
  if (request === undefined)
    return JSON.stringify(failure({ id: null, isVersion2: true }, ['INTERNAL_ERROR', 'not JSON-RPC']))
  try {
    const { value } = await answer(request.method, request.params)
    const result = plain(value)
    const { id, isVersion2 } = request
    return JSON.stringify(isVersion2 ? { jsonrpc: '2.0', result, id } : { result, error: null, id })
  } catch (error) {
    if (!(error instanceof XapiError)) throw error
    return JSON.stringify(failure(request, [error.code, ...error.params]))
  }
}

interface Envelope {
  readonly id: unknown
  readonly isVersion2: boolean
}

interface JsonRequest extends Envelope {
  readonly method: string
  readonly params: readonly unknown[]
}

function parse(body: string): JsonRequest | undefined {
  const document = parseJson(body)
  if (!isObject(document)) return undefined
  const { method, params = [], id = null, jsonrpc } = document
  if (typeof method !== 'string' || !Array.isArray(params)) return undefined
  return { method, params, id, isVersion2: jsonrpc === '2.0' }
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function failure({ id, isVersion2 }: Envelope, [code, ...data]: readonly [string, ...string[]]): unknown {
  if (!isVersion2) return { result: null, error: [code, ...data], id }
  return { jsonrpc: '2.0', error: { code: 1, message: code, data }, id }
}

/** Takes off the types that values brought along; a void result is an empty string. */
export function plain(value: unknown): unknown {
  if (value === undefined) return ''
  if (value instanceof Typed) return plain(value.value)
  if (Array.isArray(value)) return value.map(plain)
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item)]))
}
