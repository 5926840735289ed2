import type * as http from 'node:http'
import { Agent, request, type RequestOptions } from 'node:https'
import type { Duplex } from 'node:stream'
import { connect, type ConnectionOptions } from 'node:tls'
import type { Connection, TlsOptions } from './http.ts'

type Callback = (error: Error | null, stream: Duplex) => void

interface Address {
  readonly host: string
  readonly port: number
}

/** HTTPS with the certificate checked as the user wants it. */
export function openTls(
  { host, port }: Address,
  { ca, pinSha256, insecure = false }: TlsOptions,
  settings: http.AgentOptions,
): Promise<Omit<Connection, 'socket'>> {
  const trust = { minVersion: 'TLSv1.2', ...(ca === undefined ? {} : { ca }) } as const
  const agent =
    pinSha256 === undefined
      ? new Agent({ ...settings, ...trust, rejectUnauthorized: !insecure })
      : new PinningAgent({ ...settings, ...trust }, pinSha256)
  return Promise.resolve({ request, agent, options: { agent, host, port } })
}

/** Gives out a connection only when its certificate is the one that is expected: nothing is sent before. */
class PinningAgent extends Agent {
  readonly #pin: string

  constructor(options: ConstructorParameters<typeof Agent>[0], pin: string) {
    super(options)
    this.#pin = pin
  }

  override createConnection(options: RequestOptions, callback?: Callback): undefined {
    const socket = connect({ ...(options as ConnectionOptions), rejectUnauthorized: false })
    const fail = (error: Error) => {
      callback?.(error, socket)
    }
    socket.once('error', fail)
    socket.once('secureConnect', () => {
      socket.off('error', fail)
      const found = socket.getPeerCertificate().fingerprint256.replaceAll(':', '').toLowerCase()
      if (found === this.#pin) {
        callback?.(null, socket)
        return
      }
      socket.destroy()
      fail(new Error(`the server's certificate has the SHA-256 fingerprint ${found}`))
    })
    return undefined
  }
}
