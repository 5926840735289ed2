import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import path from 'node:path'
import { isErrno } from '../os/files.ts'
import { isStrings } from '../xapi/protocol.ts'
import { XapiError, type Ref, type StringMap } from '../xapi/XapiClient.ts'
import type { Executor, Outcome } from './storage/Executor.ts'
import { callDocument } from './storage/plugin-request.ts'
import type { Store } from './Store.ts'

export interface PluginCall {
  readonly host: Ref
  readonly plugin: string
  readonly fn: string
  readonly args: StringMap
}

/** Has a plugin of another host answer a call document. Rejects where that host is not reached. */
export type RunElsewhere = (plugin: string, document: string) => Promise<Outcome>

export interface HostPluginsEnvironment {
  readonly store: Store
  readonly executor: Executor
  readonly host: Ref
  /** Directory of the host plugins; without one there are none. */
  readonly directory: string | undefined
  /** How plugins of another host are run; undefined where they are run on this one. */
  readonly elsewhere?: ((host: Ref) => RunElsewhere | undefined) | undefined
}

/** Programs of the host that clients may call by name (`host.call_plugin`), run as xapi runs them. */
export class HostPlugins {
  readonly #environment: HostPluginsEnvironment

  constructor(environment: HostPluginsEnvironment) {
    this.#environment = environment
  }

  /**
   * Calls a function of a plugin of a host. Throws XapiError XENAPI_MISSING_PLUGIN or XENAPI_PLUGIN_FAILURE, HOST_OFFLINE
   * where the host is not reached, or the plugin's own.
   */
  async call({ host, plugin, fn, args }: PluginCall): Promise<string> {
    const { store } = this.#environment
    const run = await this.#runnerOn(host, plugin)
    const session = store.create('session', { this_host: host, is_local_superuser: true, pool: true })
    try {
      return await readOutcome(fn, await run(callDocument(fn, [session, Object.entries(args)])))
    } finally {
      store.remove('session', session)
    }
  }

  async #runnerOn(host: Ref, plugin: string): Promise<(document: string) => Promise<Outcome>> {
    const { executor, elsewhere, host: own } = this.#environment
    const remote = host === own ? undefined : elsewhere?.(host)
    if (remote === undefined) {
      const program = await this.#find(plugin)
      return document => executor.run(program, document)
    }
    return document =>
      remote(plugin, document).catch((error: unknown) => {
        throw Object.assign(new XapiError('HOST_OFFLINE', [host]), { cause: error })
      })
  }

  /** A name must not lead out of the directory. */
  async #find(plugin: string): Promise<string> {
    const { directory } = this.#environment
    const missing = new XapiError('XENAPI_MISSING_PLUGIN', [plugin])
    if (directory === undefined || !/^[\w.-]+$/.test(plugin) || plugin.startsWith('.')) throw missing
    const program = path.join(directory, plugin)
    try {
      await access(program, constants.X_OK)
      return program
    } catch (error) {
      if (isErrno(error, 'ENOENT') || isErrno(error, 'EACCES')) throw missing
      throw error
    }
  }
}

async function readOutcome(fn: string, { exitCode, signal, stdout, stderr }: Outcome): Promise<string> {
  const said = stdout.toString('utf8') + stderr.toString('utf8')
  if (signal !== undefined) throw new XapiError('XENAPI_PLUGIN_FAILURE', [fn, `signal: ${signal}`, said])
  if (exitCode !== 0) throw new XapiError('XENAPI_PLUGIN_FAILURE', [fn, 'non-zero exit', said])
  const { decodeMethodResponse, isStruct, XmlRpcError } = await import('../smapi/xmlrpc.ts')
  try {
    const answer = decodeMethodResponse(stdout.toString('utf8'))
    if ('fault' in answer) throw new XapiError('XENAPI_PLUGIN_FAILURE', [fn, 'fault', answer.fault.message])
    const { value } = answer
    if (typeof value === 'string') return value
    const failure: unknown = isStruct(value) ? value['ErrorDescription'] : undefined
    if (isStrings(failure)) {
      const [code, ...details] = failure
      if (code !== undefined) throw new XapiError(code, details)
    }
  } catch (error) {
    if (!(error instanceof XmlRpcError)) throw error
  }
  throw new XapiError('XENAPI_PLUGIN_FAILURE', [fn, 'parse failure', said])
}
