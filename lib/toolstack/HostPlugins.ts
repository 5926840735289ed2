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
  readonly plugin: string
  readonly fn: string
  readonly args: StringMap
}

export interface HostPluginsEnvironment {
  readonly store: Store
  readonly executor: Executor
  readonly host: Ref
  /** Directory of the host plugins; without one there are none. */
  readonly directory: string | undefined
}

/** Programs of the host that clients may call by name (`host.call_plugin`), run as xapi runs them. */
export class HostPlugins {
  readonly #environment: HostPluginsEnvironment

  constructor(environment: HostPluginsEnvironment) {
    this.#environment = environment
  }

  /** Calls a function of a plugin. Throws XapiError XENAPI_MISSING_PLUGIN or XENAPI_PLUGIN_FAILURE, or the plugin's own. */
  async call({ plugin, fn, args }: PluginCall): Promise<string> {
    const { store, executor, host } = this.#environment
    const program = await this.#find(plugin)
    const session = store.create('session', { this_host: host, is_local_superuser: true, pool: true })
    try {
      const outcome = await executor.run(program, callDocument(fn, [session, Object.entries(args)]))
      return await readOutcome(fn, outcome)
    } finally {
      store.remove('session', session)
    }
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
