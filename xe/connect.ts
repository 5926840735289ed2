import { makeSystem } from '../lib/os/system.ts'
import type { TlsOptions } from '../lib/xapi/http.ts'
import { XapiError, type XapiCaller } from '../lib/xapi/XapiClient.ts'
import { withConnection, type Remote } from '../cli/connection.ts'
import type { CommandLine } from './CommandLine.ts'
import { XeError } from './failures.ts'

/** Runs `body` with a session on the server that the command line names, or on the one of this machine. */
export async function withSession<T>(line: CommandLine, body: (caller: XapiCaller) => Promise<T>): Promise<T> {
  const remote = await remoteOf(line)
  try {
    return await withConnection(({ caller }) => body(caller), remote)
  } catch (error) {
    if (!(error instanceof XapiError) || error.code !== 'SESSION_AUTHENTICATION_FAILED') throw error
    throw new XeError('The user name or the password is wrong.', { cause: error })
  }
}

/** Nothing where no option speaks of a server or a user: the socket trusts who may open it. */
async function remoteOf({ options, flags }: CommandLine): Promise<Remote> {
  const server = options.get('server')
  const user = options.get('username')
  const password = await passwordOf(options)
  const credentials = { user: user ?? 'root', password: password ?? '' }
  if (server === undefined) return user === undefined && password === undefined ? {} : { credentials }
  const isPlain = flags.has('nossl')
  if (isPlain && !isLoopback(server)) throw new XeError('--nossl would show the password to the network')
  const port = options.get('port') ?? (isPlain ? '80' : '443')
  if (!/^\d{1,5}$/.test(port)) throw new XeError(`'${port}' is no port`)
  const host = server.includes(':') && !server.startsWith('[') ? `[${server}]` : server
  return { url: `${isPlain ? 'http' : 'https'}://${host}:${port}`, credentials, tls: await tlsOf(options, flags) }
}

async function passwordOf(options: CommandLine['options']): Promise<string | undefined> {
  const file = options.get('password-file')
  if (file === undefined) return options.get('password')
  return (await readOption(file)).split(/\r?\n/)[0]
}

/** The certificate is checked unless the user says how else the server is known. */
async function tlsOf(options: CommandLine['options'], flags: CommandLine['flags']): Promise<TlsOptions> {
  const pin = options.get('pin-sha256')?.replaceAll(':', '').toLowerCase()
  if (pin !== undefined && !/^[0-9a-f]{64}$/.test(pin)) throw new XeError('--pin-sha256 takes 64 hexadecimal digits')
  const caFile = options.get('ca-file')
  return {
    ...(pin === undefined ? {} : { pinSha256: pin }),
    ...(caFile === undefined ? {} : { ca: await readOption(caFile) }),
    ...(flags.has('insecure') ? { insecure: true } : {}),
  }
}

async function readOption(file: string): Promise<string> {
  try {
    return await makeSystem().files.readText(file)
  } catch (error) {
    throw new XeError(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
}

function isLoopback(host: string): boolean {
  return /^(127(\.\d{1,3}){3}|::1|\[::1\]|localhost)$/.test(host)
}
