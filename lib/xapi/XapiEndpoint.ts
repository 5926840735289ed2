import type { Effects } from '../os/effects.ts'
import { isErrno } from '../os/files.ts'
import type { Paths } from '../os/paths.ts'
import { HttpClient, type HttpAnswer, type HttpTarget, type TlsOptions } from './http.ts'
import { jsonRpc } from './json-rpc.ts'
import type { XapiAnswer, XapiProtocol } from './protocol.ts'
import { XapiError, XapiTransportError, type Ref, type XapiCaller, type XapiValue } from './XapiClient.ts'

export interface ConnectOptions {
  readonly effects: Effects
  readonly paths: Paths
  /** The task that the server's own tasks become children of (spec smapi 9.3). */
  readonly subtaskOf?: Ref | undefined
  readonly originator?: string | undefined
  /** W3C trace context of the call that this one is part of, and what travels with it; xapi gives both when it traces. */
  readonly traceparent?: string | undefined
  readonly baggage?: string | undefined
  /** How the certificate of an HTTPS server is checked; default as browsers do. */
  readonly tls?: TlsOptions | undefined
}

/**
 * An endpoint at `unix:PATH`, `http://HOST:PORT` or `https://HOST:PORT`; without a url the local xapi's socket. Nothing is sent yet.
 * Throws TypeError for any other url.
 */
export function connectXapi(url: string | undefined, options: ConnectOptions): XapiEndpoint {
  return new XapiEndpoint(new HttpClient(targetOf(url ?? `unix:${options.paths.xapiSocket}`, options.tls)), options)
}

/** One XenAPI server. JSON-RPC is tried first; XML-RPC is used where the server has nothing else. */
export class XapiEndpoint {
  readonly #http: HttpClient
  readonly #effects: Effects
  readonly #headers: Readonly<Record<string, string>>
  #protocol: XapiProtocol | undefined

  constructor(http: HttpClient, { effects, subtaskOf, originator, traceparent, baggage }: ConnectOptions) {
    this.#http = http
    this.#effects = effects
    this.#headers = headersOf({ 'Subtask-of': subtaskOf, originator, traceparent, baggage })
  }

  /** Calls under a session that somebody else owns: it is never logged out here. */
  session(ref: Ref): XapiSession {
    return new XapiSession(this, ref)
  }

  /** Logs in as root, which the local socket lets anybody do who may open it (spec smapi 9.2). The caller must log out. */
  async loginLocal(): Promise<LocalSession> {
    const ref = await this.request('session.login_with_password', ['root', '', '', 'SM'])
    if (typeof ref !== 'string') throw new XapiTransportError('session.login_with_password: answer is not a session')
    return new LocalSession(this, ref)
  }

  /**
   * Sends a call whose parameters are complete. Throws XapiError as the server told it, with `secret` taken out, and
   * XapiTransportError where there is no answer.
   */
  async request(method: string, params: readonly XapiValue[], secret?: string): Promise<unknown> {
    this.#effects.before('xapi', method)
    const answer = await this.#answerTo(method, params)
    if ('value' in answer) return answer.value
    const [code = 'INTERNAL_ERROR', ...details] = answer.failure
    throw new XapiError(code, secret === undefined ? details : details.map(text => text.replaceAll(secret, '******')))
  }

  /** Drops the connections. A later call opens new ones. */
  async close(): Promise<void> {
    await this.#http.close()
  }

  async #answerTo(method: string, params: readonly XapiValue[]): Promise<XapiAnswer> {
    if (this.#protocol === undefined) {
      const answer = await this.#firstAnswerTo(method, params)
      this.#protocol = answer === undefined ? (await import('./xml-rpc.ts')).xmlRpc : jsonRpc
      if (answer !== undefined) return answer
    }
    return this.#ask(this.#protocol, method, params)
  }

  /** Undefined where the server has no JSON-RPC. */
  async #firstAnswerTo(method: string, params: readonly XapiValue[]): Promise<XapiAnswer | undefined> {
    try {
      const { status, body } = await this.#post(jsonRpc, method, params)
      const answer = status === 200 ? jsonRpc.decode(body) : undefined
      if (answer === undefined && status >= 500 && status !== 501) throw httpError(method, status)
      return answer
    } catch (error) {
      if (wasReached(error) && (await this.#hasOnlyXmlRpc(params))) return undefined
      throw error
    }
  }

  /**
   * Whether a server that failed at JSON-RPC, as one may that takes every document for XML, has none: a question that
   * changes nothing fails again, and is answered in XML-RPC.
   */
  async #hasOnlyXmlRpc([session = '']: readonly XapiValue[]): Promise<boolean> {
    const isAnswered = async (protocol: XapiProtocol): Promise<boolean> => {
      try {
        await this.#ask(protocol, 'pool.get_all', [session])
        return true
      } catch (error) {
        if (error instanceof XapiTransportError) return false
        throw error
      }
    }
    return (await isAnswered((await import('./xml-rpc.ts')).xmlRpc)) && !(await isAnswered(jsonRpc))
  }

  async #ask(protocol: XapiProtocol, method: string, params: readonly XapiValue[]): Promise<XapiAnswer> {
    const { status, body } = await this.#post(protocol, method, params)
    if (status !== 200) throw httpError(method, status)
    const answer = decode(protocol, method, body)
    if (answer === undefined) throw new XapiTransportError(`${method}: the answer is not XenAPI`)
    return answer
  }

  async #post(protocol: XapiProtocol, method: string, params: readonly XapiValue[]): Promise<HttpAnswer> {
    const body = protocol.encode(method, params)
    const headers = { ...this.#headers, 'Content-Type': protocol.contentType }
    try {
      return await this.#http.post({ path: protocol.path, headers, body, repeatable: /\.get_/.test(method) })
    } catch (error) {
      throw new XapiTransportError(`${method}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      })
    }
  }
}

/** Calls under one session. */
export class XapiSession implements XapiCaller {
  readonly #endpoint: XapiEndpoint
  readonly #ref: Ref

  constructor(endpoint: XapiEndpoint, ref: Ref) {
    this.#endpoint = endpoint
    this.#ref = ref
  }

  call(method: string, ...args: XapiValue[]): Promise<unknown> {
    return this.#endpoint.request(method, [this.#ref, ...args], this.#ref)
  }
}

/** A session of our own. */
export class LocalSession extends XapiSession {
  async logout(): Promise<void> {
    await this.call('session.logout')
  }
}

const urlForms = 'XenAPI url must be unix:/PATH, http://HOST:PORT or https://HOST:PORT'

function targetOf(url: string, tls: TlsOptions = {}): HttpTarget {
  if (url.startsWith('unix:/')) return { socketPath: url.slice('unix:'.length) }
  if (!URL.canParse(url)) throw new TypeError(urlForms)
  const { protocol, hostname, port, username, password } = new URL(url)
  if (protocol !== 'http:' && protocol !== 'https:') throw new TypeError(urlForms)
  if (username !== '' || password !== '') throw new TypeError('XenAPI url must not contain a user or a password')
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  if (protocol === 'https:') return { host, port: port === '' ? 443 : Number(port), tls }
  return { host, port: port === '' ? 80 : Number(port) }
}

function headersOf(values: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const headers = Object.entries(values).map(([name, value]) => [name, headerText(value ?? '')] as const)
  return Object.fromEntries(headers.filter(([, text]) => text !== ''))
}

/** Keeps a value from outside from breaking the request's header lines. */
function headerText(value: string): string {
  return value.replace(/[^\x20-\x7e]/g, '')
}

/** Whether there is a server, which answered with a status of failure or hung up. */
function wasReached(error: unknown): boolean {
  if (!(error instanceof XapiTransportError)) return false
  return error.cause === undefined || isErrno(error.cause, 'ECONNRESET') || isErrno(error.cause, 'EPIPE')
}

function httpError(method: string, status: number): XapiTransportError {
  return new XapiTransportError(`${method}: HTTP status ${status}`)
}

function decode(protocol: XapiProtocol, method: string, body: string): XapiAnswer | undefined {
  try {
    return protocol.decode(body)
  } catch (error) {
    throw new XapiTransportError(`${method}: the answer is not XenAPI`, { cause: error })
  }
}
