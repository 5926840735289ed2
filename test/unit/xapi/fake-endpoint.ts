import * as http from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Received {
  readonly path: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
  /** The client's end of the connection. */
  readonly port: number | undefined
}

export interface Reply {
  readonly status?: number
  readonly body: string
}

/** An HTTP server that answers as a test tells it and remembers what it was sent. */
export class FakeEndpoint {
  readonly received: Received[] = []
  readonly url: string
  readonly #server: http.Server

  private constructor(server: http.Server, url: string) {
    this.#server = server
    this.url = url
  }

  static async open(reply: (request: Received) => Reply | 'hang up'): Promise<FakeEndpoint> {
    const received: Received[] = []
    const server = http.createServer((request, response) => {
      let body = ''
      request.setEncoding('utf8')
      request.on('data', (chunk: string) => {
        body += chunk
      })
      request.on('end', () => {
        const entry = { path: request.url ?? '', headers: request.headers, body, port: request.socket.remotePort }
        received.push(entry)
        const answer = reply(entry)
        if (answer === 'hang up') request.socket.destroy()
        else response.writeHead(answer.status ?? 200).end(answer.body)
      })
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    return Object.assign(new FakeEndpoint(server, `http://127.0.0.1:${port}`), { received })
  }

  async close(): Promise<void> {
    await new Promise(resolve => {
      this.#server.close(resolve)
      this.#server.closeAllConnections()
    })
  }
}

export function jsonResult(result: unknown): Reply {
  return { body: JSON.stringify({ jsonrpc: '2.0', id: 1, result }) }
}

export function xmlResult(value: string): Reply {
  const status = '<member><name>Status</name><value>Success</value></member>'
  const struct = `<struct>${status}<member><name>Value</name>${value}</member></struct>`
  return { body: `<methodResponse><params><param><value>${struct}</value></param></params></methodResponse>` }
}
