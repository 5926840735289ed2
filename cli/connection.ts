import { setTimeout as sleep } from 'node:timers/promises'
import path from 'node:path'
import type { TlsOptions } from '../lib/xapi/http.ts'
import type { SmXapi } from '../lib/xapi/SmXapi.ts'
import type { Ref, XapiCaller } from '../lib/xapi/XapiClient.ts'
import type { XapiEndpoint } from '../lib/xapi/XapiEndpoint.ts'
import { prepareEnvironment, type Environment } from './environment.ts'
import { OperationError } from './failures.ts'
import { finishing } from './interrupt.ts'

/** A session on a toolstack, ours or another's. */
export interface Connection {
  readonly environment: Environment
  readonly url: string
  readonly session: Ref
  readonly caller: XapiCaller
  readonly xapi: SmXapi
  /** The toolstack runs in this process. */
  readonly ownToolstack: boolean
}

/** A server that the user names, and how to log in there; the rest as the environment says. */
export interface Remote {
  readonly url?: string
  readonly credentials?: { readonly user: string; readonly password: string }
  readonly tls?: TlsOptions
}

interface Server {
  readonly url: string
  readonly isOurs: boolean
  close(): Promise<void>
}

const BUSY_WAIT_MS = 120_000
const BUSY_NOTICE_MS = 2000
const BUSY_POLL_MS = 50

/**
 * Runs `body` with a session on the toolstack: the one of `$SM_XAPI_URL`, else one that listens on the local socket, else
 * one started in this process for the time being. Throws OperationError where another `sm` has the state for too long,
 * Interrupted at the end where a signal came.
 */
export async function withConnection<T>(body: (connection: Connection) => Promise<T>, remote: Remote = {}): Promise<T> {
  const environment = await prepareEnvironment()
  const server = await findServer(environment, remote)
  // What has several steps, here or in the toolstack, must not end between them.
  return finishing(() =>
    endingWith(
      () => withSession(environment, { server, remote }, body),
      () => server.close(),
    ),
  )
}

/** Runs `body`, then `end` whatever happens. What went wrong first is what is reported. */
async function endingWith<T>(body: () => Promise<T>, end: () => Promise<unknown>): Promise<T> {
  let result: T
  try {
    result = await body()
  } catch (error) {
    // A toolstack that failed the body may well fail its end, too; that adds nothing.
    await end().catch(() => undefined)
    throw error
  }
  await end()
  return result
}

async function withSession<T>(
  environment: Environment,
  { server, remote }: { server: Server; remote: Remote },
  body: (connection: Connection) => Promise<T>,
): Promise<T> {
  const [{ connectXapi }, { SmXapi }] = await Promise.all([
    import('../lib/xapi/XapiEndpoint.ts'),
    import('../lib/xapi/SmXapi.ts'),
  ])
  const { paths, system } = environment
  const connect = (): XapiEndpoint =>
    connectXapi(server.url, { paths, effects: system.effects, originator: 'sm', tls: remote.tls })
  const endpoint = connectTo(connect)
  return endingWith(
    async () => {
      const session = await logIn(endpoint, remote)
      const caller = endpoint.session(session)
      const { url, isOurs } = server
      const connection = { environment, url, session, caller, xapi: new SmXapi(caller), ownToolstack: isOurs }
      return endingWith(
        () => body(connection),
        () => caller.call('session.logout'),
      )
    },
    () => endpoint.close(),
  )
}

/** A url that makes no sense comes from the user. */
function connectTo(connect: () => XapiEndpoint): XapiEndpoint {
  try {
    return connect()
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new OperationError(`SM_XAPI_URL: ${error.message}`, ['Unset it to work without one.'], { cause: error })
  }
}

async function logIn(endpoint: XapiEndpoint, { credentials }: Remote): Promise<Ref> {
  const { user, password } = credentials ?? { user: 'root', password: '' }
  const login = ['session.login_with_password', [user, password, '1.0', 'sm']] as const
  return String(await endpoint.request(...login, password === '' ? undefined : password))
}

async function findServer(environment: Environment, remote: Remote): Promise<Server> {
  const elsewhere = remote.url ?? environment.xapiUrl ?? (await listeningSocket(environment))
  if (elsewhere !== undefined) return { url: elsewhere, isOurs: false, close: () => Promise.resolve() }
  return ownServer(environment)
}

/** The url of the local socket if a toolstack answers there; a socket whose owner is gone answers nothing. */
async function listeningSocket({ paths, system }: Environment): Promise<string | undefined> {
  if (!(await system.files.exists(paths.xapiSocket))) return undefined
  const [{ connectXapi }, { XapiTransportError }] = await Promise.all([
    import('../lib/xapi/XapiEndpoint.ts'),
    import('../lib/xapi/XapiClient.ts'),
  ])
  const url = `unix:${paths.xapiSocket}`
  const endpoint = connectXapi(url, { paths, effects: system.effects })
  try {
    await endpoint.request('system.listMethods', [])
    return url
  } catch (error) {
    if (error instanceof XapiTransportError) return undefined
    throw error
  } finally {
    await endpoint.close()
  }
}

/**
 * A toolstack in this process. It listens where only its own plugins look, for it is gone when this command ends: who
 * comes meanwhile waits for the state and starts another.
 */
async function ownServer({ system, paths, smDir }: Environment): Promise<Server> {
  const [{ startToolstack }, { ToolstackBusyError }] = await Promise.all([
    import('../lib/toolstack/toolstack.ts'),
    import('../lib/toolstack/StateFile.ts'),
  ])
  const socketPath = path.join(paths.runtime, 'sm.sock')
  const started = system.now()
  for (let noticed = false; ;) {
    try {
      const toolstack = await startToolstack({ system, paths, smDir, hostPluginDir: smDir, socketPath })
      return { url: toolstack.url, isOurs: true, close: () => toolstack.close() }
    } catch (error) {
      if (!(error instanceof ToolstackBusyError)) throw error
      const waited = system.now() - started
      if (waited > BUSY_WAIT_MS) throw stillBusy(error)
      if (!noticed && waited > BUSY_NOTICE_MS) {
        noticed = true
        process.stderr.write('waiting for another sm command to finish…\n')
      }
      await sleep(BUSY_POLL_MS)
    }
  }
}

function stillBusy(cause: Error): OperationError {
  return new OperationError(
    'another sm command is still working on this state',
    ['Wait for it to finish, or use another folder: SM_ROOT=DIR sm …'],
    { cause },
  )
}
