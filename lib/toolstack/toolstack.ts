import path from 'node:path'
import { makeLogger, type Logger } from '../os/log.ts'
import type { Paths } from '../os/paths.ts'
import type { System } from '../os/system.ts'
import type { Ref, XapiCaller } from '../xapi/XapiClient.ts'
import { plain } from './http/json-endpoint.ts'
import { pagesIn } from './http/pages.ts'
import { Server, type AnswerFor } from './http/Server.ts'
import { DiskCopier } from './disks/DiskCopier.ts'
import { forgetReservations, readBoot, resetAfterReboot } from './boot.ts'
import { Dispatcher } from './Dispatcher.ts'
import { findDrivers, registerDrivers } from './drivers.ts'
import type { ExplainRevert } from './explain-revert.ts'
import { HostPlugins, type RunElsewhere } from './HostPlugins.ts'
import { readInventory } from './inventory.ts'
import { Operations } from './Operations.ts'
import { ensureOwnRecords } from './own-records.ts'
import type { Credentials, Services, VmOptions } from './Services.ts'
import { StateFile } from './StateFile.ts'
import { Executor, makeRunProgram, type RunProgram } from './storage/Executor.ts'
import { lockedStorage } from './storage/locked-storage.ts'
import { smapiv1Storage } from './storage/smapiv1-storage.ts'
import { Store } from './Store.ts'

export { ToolstackBusyError } from './StateFile.ts'

export interface TcpListener extends Partial<Credentials> {
  readonly host: string
  readonly port: number
}

export interface ToolstackOptions {
  readonly system: System
  readonly paths: Paths
  /** Directory of the storage plugins. */
  readonly smDir: string
  /** Directory of the host plugins; without one there are none. */
  readonly hostPluginDir?: string
  /** How the host plugins of another host of the pool are run; by default all are run on this one. */
  readonly elsewhere?: (host: Ref) => RunElsewhere | undefined
  /** Default: in `paths.toolstackState`. */
  readonly stateFile?: string
  /** Default: where xapi has it, or beside the state file on a host that has a xapi of its own. */
  readonly socketPath?: string
  /** Also listens on TCP, where only these credentials may log in; without them nobody may. */
  readonly listen?: TcpListener
  /** More environment for plugins. */
  readonly env?: Readonly<Record<string, string>>
  /** Default: as a process. */
  readonly runProgram?: RunProgram
  /** How long an operation waits for others on the same object, in milliseconds. Default two hours, as xapi. */
  readonly operationWaitMs?: number
  readonly log?: Logger
  /** Default: nothing but records, and as xapi does. */
  readonly vms?: Partial<VmOptions>
  /** Asks drivers what a revert would do. */
  readonly explainRevert?: ExplainRevert
  /** Folder with the page that browsers get on TCP; without one there is none. */
  readonly pageDirectory?: string
  /** Which boot of the machine this is, as the kernel says; a change means that nothing is attached any more. */
  readonly boot?: string
}

/** A running toolstack. */
export interface Toolstack {
  /** What `$SM_XAPI_URL` must be to reach it. */
  readonly url: string
  /** `http://…` of the TCP listener, where there is one. */
  readonly tcpUrl: string | undefined
  /** Calls in this process, logged in as root; results are as in JSON-RPC. */
  session(): XapiCaller
  /** Ends it when the calls in progress have ended; what has been answered is in the state file. */
  close(): Promise<void>
}

const twoHours = 2 * 60 * 60 * 1000

/** Variables of this process that plugins get too. */
const inheritedVariables = [
  ...['SM_LOG', 'SM_VHD_UTIL', 'SM_DATAPATH', 'SM_NBD_WRITE_THROUGH', 'SM_ISCSI_DATABASE'],
  'SM_FIST',
]

/**
 * Starts a XenAPI endpoint for the storage plugins of one directory (spec toolstack 1). Throws ToolstackBusyError where
 * another process uses the state file.
 */
export async function startToolstack(options: ToolstackOptions): Promise<Toolstack> {
  const { system, paths } = options
  const stateFile = options.stateFile ?? path.join(paths.toolstackState, 'toolstack', 'state.json')
  const socketPath =
    options.socketPath ?? (paths.isHost ? path.join(path.dirname(stateFile), 'xapi') : paths.xapiSocket)
  const state = await StateFile.open(system.files, stateFile)
  try {
    return await startWithState(options, state, { stateFile, socketPath })
  } catch (error) {
    await state.close()
    throw error
  }
}

async function startWithState(
  options: ToolstackOptions,
  state: StateFile,
  places: { stateFile: string; socketPath: string },
): Promise<Toolstack> {
  const { system, paths } = options
  const store = new Store(system.newUuid, state.state.generation)
  store.load(state.state.objects)
  const url = `unix:${places.socketPath}`
  const runProgram = options.runProgram ?? makeRunProgram(system.files, system.newUuid, path.dirname(places.stateFile))
  const executor = new Executor(system, pluginEnvironment(options, url), runProgram)
  const { host, pool } = ensureOwnRecords(store, await readInventory(system, paths))
  const boot = options.boot ?? (await readBoot(system.files))
  const isRebooted = state.state.boot !== '' && boot !== state.state.boot
  forgetReservations(store)
  const toPlug = isRebooted ? resetAfterReboot(store) : []
  const closing = new AbortController()
  const storage = lockedStorage(smapiv1Storage({ store, executor, host }))
  const log = options.log ?? makeLogger({ ident: 'toolstack' })
  const { explainRevert } = options
  const services: Services = {
    system,
    paths,
    log,
    store,
    host,
    pool,
    operations: new Operations(store, options.operationWaitMs ?? twoHours),
    storage,
    copier: new DiskCopier({ system, paths, storage }),
    hostPlugins: new HostPlugins({
      store,
      executor,
      host,
      directory: options.hostPluginDir,
      elsewhere: options.elsewhere,
    }),
    credentials: credentialsOf(options.listen),
    explainRevert: explainRevert && (question => explainRevert(question, inProcess)),
    subscriptions: new Map(),
    save: () => state.save(store),
    vmOptions: { attachDisks: false, restoreMissingDisks: false, ...options.vms },
    closing: closing.signal,
  }
  await discover(options, { state, store, executor, log, host, boot })
  await state.save(store)
  const dispatcher = new Dispatcher(services)
  const servers = await listen(options, places.socketPath, dispatcher)
  const inProcess = rootSession(services, dispatcher)
  await plugAgain(inProcess, toPlug, log)
  let closed: Promise<void> | undefined
  return {
    url,
    tcpUrl: tcpUrlOf(options.listen, servers.tcp),
    session: () => inProcess,
    close: () => {
      closing.abort()
      closed ??= end({ dispatcher, servers, state, store })
      return closed
    },
  }
}

/** One that cannot be plugged stays unplugged; whoever needs it hears why when they try. */
async function plugAgain(session: XapiCaller, pbds: readonly Ref[], log: Logger): Promise<void> {
  for (const pbd of pbds) {
    try {
      await session.call('PBD.plug', pbd)
    } catch (error) {
      log.error(`not plugged again after the reboot: ${String(error)}`)
    }
  }
}

interface Running {
  readonly dispatcher: Dispatcher
  readonly servers: Servers
  readonly state: StateFile
  readonly store: Store
}

/** Plugins that still run may need the server, so it goes after them. */
async function end({ dispatcher, servers, state, store }: Running): Promise<void> {
  await dispatcher.settle()
  await servers.tcp?.close()
  await servers.local.close()
  await dispatcher.settle()
  try {
    await state.save(store)
  } finally {
    await state.close()
  }
}

function pluginEnvironment({ paths, env }: ToolstackOptions, url: string): Record<string, string> {
  const inherited = inheritedVariables.flatMap(name => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  const root = paths.isHost ? {} : { SM_ROOT: paths.root }
  return { ...Object.fromEntries(inherited), ...root, SM_XAPI_URL: url, ...env }
}

function credentialsOf(listener: TcpListener | undefined): Credentials | undefined {
  const { user, password } = listener ?? {}
  return user === undefined || password === undefined ? undefined : { user, password }
}

interface Discovery {
  readonly state: StateFile
  readonly store: Store
  readonly executor: Executor
  readonly log: Logger
  readonly host: string
  readonly boot: string
}

/** Remembers what the plugins said, so that the next start need not run them. */
async function discover({ system, smDir }: ToolstackOptions, discovery: Discovery): Promise<void> {
  const { state, store, executor, log, host, boot } = discovery
  const known = state.state.plugins
  const drivers = await findDrivers({ files: system.files, executor, log, host, smDir, known })
  registerDrivers(store, drivers)
  const plugins = Object.fromEntries(drivers)
  const isKnown = JSON.stringify(plugins) === JSON.stringify(known) && boot === state.state.boot
  if (!isKnown) await state.saveFacts(store, { plugins, boot })
}

interface Servers {
  readonly local: Server
  readonly tcp: Server | undefined
}

/** Whoever had the socket before is gone: this process has the state file. */
async function listen(options: ToolstackOptions, socketPath: string, dispatcher: Dispatcher): Promise<Servers> {
  const { files } = options.system
  const answerFor: AnswerFor = caller => (method, params) => dispatcher.dispatch({ method, params, caller })
  await files.makeDirectory(path.dirname(socketPath), { recursive: true })
  await files.unlinkIfPresent(socketPath)
  const local = await Server.listen({ socketPath }, answerFor)
  if (options.listen === undefined) return { local, tcp: undefined }
  const { host, port } = options.listen
  const page = options.pageDirectory === undefined ? undefined : pagesIn(files, options.pageDirectory)
  try {
    return { local, tcp: await Server.listen({ host, port }, answerFor, page) }
  } catch (error) {
    await local.close()
    throw error
  }
}

function tcpUrlOf(listener: TcpListener | undefined, server: Server | undefined): string | undefined {
  if (listener === undefined || server?.port === undefined) return undefined
  return `http://${listener.host.includes(':') ? `[${listener.host}]` : listener.host}:${server.port}`
}

/** Calls in this process need no login. The session is made with the first call, and again if a client ended it. */
function rootSession({ store, host }: Services, dispatcher: Dispatcher): XapiCaller {
  let session: Ref | undefined
  const login = () =>
    store.create('session', { this_host: host, is_local_superuser: true, auth_user_name: 'root', pool: true })
  return {
    call: async (method, ...args) => {
      if (session === undefined || !store.has('session', session)) session = login()
      const params = [session, ...args]
      const { value } = await dispatcher.dispatch({ method, params, caller: { transport: 'local' } })
      return plain(value)
    },
  }
}
