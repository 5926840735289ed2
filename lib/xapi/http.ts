import type * as http from 'node:http'
import { reachableSocket, type ReachableSocket } from '../os/socket-path.ts'

/** Where a XenAPI server listens. */
export type HttpTarget =
  { readonly socketPath: string } | { readonly host: string; readonly port: number; readonly tls?: TlsOptions }

/** How the certificate of a server is checked. Without any of these as browsers do. */
export interface TlsOptions {
  /** Certificate of the authority to trust, in PEM. */
  readonly ca?: string
  /** SHA-256 of the one certificate to accept, whoever signed it: 64 hexadecimal digits. */
  readonly pinSha256?: string
  /** Accept any certificate. */
  readonly insecure?: boolean
}

export interface HttpAnswer {
  readonly status: number
  readonly body: string
}

export interface HttpRequest {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Whether the request may be sent a second time when a kept connection turns out to be dead. */
  readonly repeatable: boolean
}

/** An answer is at most the database of a pool; more is a fault of the other side. */
export const maxAnswerBytes = 256 * 1024 * 1024

/** How long an idle connection is kept, in milliseconds: shorter than servers keep theirs, so that it is rarely a dead one. */
const idleMs = 1_000

/** POST requests to one server over connections that are kept, and that never keep this process alive. */
export class HttpClient {
  readonly #target: HttpTarget
  #connection: Promise<Connection> | undefined

  constructor(target: HttpTarget) {
    this.#target = target
  }

  /** Sends one request. Throws the system's error where the server is not reached or the connection breaks. */
  async post(request: HttpRequest): Promise<HttpAnswer> {
    this.#connection ??= openConnection(this.#target)
    const connection = await this.#connection
    try {
      return await exchange(connection, request)
    } catch (error) {
      if (!request.repeatable || !(error instanceof DeadConnection)) throw error
      return await exchange(connection, request)
    }
  }

  async close(): Promise<void> {
    const connection = await this.#connection
    this.#connection = undefined
    connection?.agent.destroy()
    connection?.socket?.release()
  }
}

/** What requests go through. */
export interface Connection {
  readonly request: typeof http.request
  readonly agent: http.Agent
  readonly options: http.RequestOptions
  readonly socket: ReachableSocket | undefined
}

/** A kept connection that the server had closed already. */
class DeadConnection extends Error {}

async function openConnection(target: HttpTarget): Promise<Connection> {
  const settings = { keepAlive: true, timeout: idleMs, maxFreeSockets: 2 }
  if ('host' in target && target.tls !== undefined) {
    const { openTls } = await import('./tls.ts')
    return { ...(await openTls(target, target.tls, settings)), socket: undefined }
  }
  const { Agent, request } = await import('node:http')
  const agent = new Agent(settings)
  if ('host' in target)
    return { request, agent, options: { agent, host: target.host, port: target.port }, socket: undefined }
  const socket = reachableSocket(target.socketPath)
  return { request, agent, options: { agent, socketPath: socket.path }, socket }
}

function exchange(connection: Connection, { path, headers, body }: HttpRequest): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const content = Buffer.from(body)
    const request = connection.request(
      { ...connection.options, method: 'POST', path, headers: { ...headers, 'Content-Length': content.length } },
      response => {
        readAnswer(response).then(resolve, reject)
      },
    )
    request.on('error', (error: NodeJS.ErrnoException) => {
      const dead = request.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
      reject(dead ? new DeadConnection(error.message, { cause: error }) : error)
    })
    request.end(content)
  })
}

async function readAnswer(response: http.IncomingMessage): Promise<HttpAnswer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > maxAnswerBytes) throw new Error(`answer longer than ${maxAnswerBytes} bytes`)
    chunks.push(chunk)
  }
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }
}
