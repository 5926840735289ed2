import path from 'node:path'
import type { Toolstack, ToolstackOptions } from '../../lib/toolstack/toolstack.ts'
import { pageFolder, prepareEnvironment, type Environment } from '../environment.ts'
import { OperationError } from '../failures.ts'
import { print } from '../output.ts'
import { explainForToolstack } from './explainRevert.ts'
import { consoleLogger } from './log.ts'
import { choosePassword } from './password.ts'

export interface ServeOptions {
  readonly socket?: string
  readonly listen?: { readonly host: string; readonly port: number }
  readonly passwordFile?: string
  readonly state?: string
  readonly plugins?: string
  readonly hostPlugins?: string
  readonly attachDisks?: true
  readonly restoreMissingDisks?: true
}

/** Serves until a signal comes. Throws OperationError where another toolstack has the database. */
export async function serve(options: ServeOptions): Promise<void> {
  const environment = await prepareEnvironment()
  const stopped = signalled()
  const toolstack = await start(environment, options)
  await say(toolstack)
  await stopped
  await toolstack.close()
}

async function start(environment: Environment, options: ServeOptions): Promise<Toolstack> {
  const [{ startToolstack, ToolstackBusyError }, settings] = await Promise.all([
    import('../../lib/toolstack/toolstack.ts'),
    settingsOf(environment, options),
  ])
  try {
    return await startToolstack(settings)
  } catch (error) {
    if (!(error instanceof ToolstackBusyError)) throw error
    throw new OperationError(error.message, ['Use that one, or another folder: --state DIR or SM_ROOT=DIR.'], {
      cause: error,
    })
  }
}

async function settingsOf(environment: Environment, options: ServeOptions): Promise<ToolstackOptions> {
  const { system, paths, smDir } = environment
  const stateDirectory = path.resolve(options.state ?? path.join(paths.toolstackState, 'toolstack'))
  const log = consoleLogger(process.stderr)
  const listen =
    options.listen === undefined
      ? {}
      : {
          listen: {
            ...options.listen,
            user: 'root',
            password: await choosePassword(system, options.passwordFile, path.join(stateDirectory, 'password')),
          },
        }
  return {
    system,
    paths,
    log,
    smDir: path.resolve(options.plugins ?? smDir),
    stateFile: path.join(stateDirectory, 'state.json'),
    ...listen,
    ...(options.socket === undefined ? {} : { socketPath: path.resolve(options.socket) }),
    hostPluginDir: path.resolve(options.hostPlugins ?? smDir),
    vms: {
      attachDisks: options.attachDisks === true,
      restoreMissingDisks: options.restoreMissingDisks === true,
    },
    explainRevert: explainForToolstack(system),
    pageDirectory: pageFolder(),
  }
}

async function say({ url, tcpUrl }: Toolstack): Promise<void> {
  await print(`listening on ${url}\n`)
  if (tcpUrl !== undefined) await print(`listening on ${tcpUrl}\n`)
}

function signalled(): Promise<void> {
  return new Promise(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        resolve()
      })
    }
  })
}
