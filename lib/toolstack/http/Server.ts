import type * as http from 'node:http'
import { reachableSocket } from '../../os/socket-path.ts'
import type { Caller, Transport } from '../Call.ts'
import { maxBodyBytes, type Answering } from './answering.ts'
import { answerJson, jsonContentType } from './json-endpoint.ts'
import { pageHeaders, type FindPage, type Page } from './pages.ts'

export type AnswerFor = (caller: Caller) => Answering

export type Listener = { readonly socketPath: string } | { readonly host: string; readonly port: number }

const commonHeaders = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Headers': 'X-Requested-With' }

/** The XenAPI over HTTP on one address (spec toolstack 2). */
export class Server {
  readonly #server: http.Server
  readonly #release: () => void

  private constructor(server: http.Server, release: () => void) {
    this.#server = server
    this.#release = release
  }

  /** Throws the system's error where the address cannot be had. */
  static async listen(listener: Listener, answerFor: AnswerFor, findPage?: FindPage): Promise<Server> {
    const { createServer } = await import('node:http')
    const transport: Transport = 'socketPath' in listener ? 'local' : 'tcp'
    const server = createServer((request, response) => {
      const site = { answerFor: (subtaskOf: string | undefined) => answerFor({ transport, subtaskOf }), findPage }
      serve(request, response, site).catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : undefined)
      })
    })
    const socket = 'socketPath' in listener ? reachableSocket(listener.socketPath) : undefined
    try {
      await start(server, socket === undefined ? listener : { path: socket.path })
    } catch (error) {
      socket?.release()
      throw error
    }
    return new Server(server, () => socket?.release())
  }

  /** The port of a TCP listener. */
  get port(): number | undefined {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : undefined
  }

  /** Cuts the connections. */
  async close(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.close(error => {
        if (error === undefined) resolve()
        else reject(error)
      })
      this.#server.closeAllConnections()
    })
    this.#release()
  }
}

function start(server: http.Server, address: object): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    // A socket is made during the call: nobody but this user may ever open it, for who can is root to the API.
    const umask = process.umask(0o177)
    server.listen(address, () => {
      server.off('error', reject)
      resolve()
    })
    process.umask(umask)
  })
}

interface Site {
  readonly answerFor: (subtaskOf: string | undefined) => Answering
  readonly findPage: FindPage | undefined
}

async function serve(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  { answerFor, findPage }: Site,
): Promise<void> {
  if (request.method === 'OPTIONS') {
    end(response, 200, 'text/plain', '')
    return
  }
  const path = pathOf(request.url ?? '/')
  if (request.method !== 'POST') {
    servePage(request.method, response, await findPage?.(path))
    return
  }
  const body = await readBody(request)
  if (body === undefined) {
    end(response, 413, 'text/plain', '')
    return
  }
  const answer = answerFor(headerOf(request, 'subtask-of'))
  if (path === '/jsonrpc') {
    end(response, 200, jsonContentType, await answerJson(body, answer))
    return
  }
  const { answerXml, xmlContentType } = await import('./xml-endpoint.ts')
  end(response, 200, xmlContentType, await answerXml(body, answer))
}

/** A client that puts a path behind an address with a slash at its end asks for `//…`. */
function pathOf(target: string): string {
  const url = target.startsWith('/') ? `http://localhost${target}` : target
  return URL.canParse(url) ? new URL(url).pathname.replace(/^\/+/, '/') : '/'
}

function servePage(method: string | undefined, response: http.ServerResponse, page: Page | undefined): void {
  if (page === undefined || method !== 'GET') {
    end(response, 405, 'text/plain', '')
    return
  }
  for (const [name, value] of Object.entries(pageHeaders)) response.setHeader(name, value)
  end(response, 200, page.contentType, page.body)
}

/** Undefined where it is too long. */
async function readBody(request: http.IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > maxBodyBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function headerOf(request: http.IncomingMessage, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}

function end(response: http.ServerResponse, status: number, contentType: string, body: string): void {
  const content = Buffer.from(body)
  response.writeHead(status, { ...commonHeaders, 'Content-Type': contentType, 'Content-Length': content.length })
  response.end(content)
}
