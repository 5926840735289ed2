import { LockManager } from '../lib/lock/Lock.ts'
import { makeLogger, type Logger } from '../lib/os/log.ts'
import { Paths } from '../lib/os/paths.ts'
import { makeSystem, type System } from '../lib/os/system.ts'
import { SmError } from '../lib/smapi/SmError.ts'
import { decodeMethodCall, encodeMethodResponse, isStruct } from '../lib/smapi/xmlrpc.ts'
import { connectSmXapi } from '../lib/xapi/connectSmXapi.ts'
import type { SmXapi } from '../lib/xapi/SmXapi.ts'
import type { StringMap } from '../lib/xapi/XapiClient.ts'

/** What a host plugin works with. */
export interface HostContext {
  readonly system: System
  readonly paths: Paths
  readonly locks: LockManager
  readonly log: Logger
  readonly xapi: SmXapi
}

/** A function of a host plugin: string arguments in, a string out. Throws whatever is to be told to the caller. */
export type HostFunction = (context: HostContext, args: StringMap) => Promise<string>

/**
 * Runs a host plugin (`host.call_plugin`) as xapi starts it: one argument, a methodCall with the session and a struct of
 * strings; a document on stdout. A failure is an answer, too (spec toolstack 12.4).
 */
export async function runHostPlugin(
  name: string,
  functions: Readonly<Record<string, HostFunction>>,
  argv: readonly string[] = process.argv.slice(2),
): Promise<void> {
  const answer = await answerHostPlugin(name, functions, { argv, system: makeSystem() })
  await new Promise<void>(resolve => {
    process.stdout.write(answer, () => {
      resolve()
    })
  })
}

/** The document that answers one call. Never throws. */
export async function answerHostPlugin(
  name: string,
  functions: Readonly<Record<string, HostFunction>>,
  { argv: [document, ...rest], system }: { readonly argv: readonly string[]; readonly system: System },
): Promise<string> {
  const paths = new Paths()
  const locks = new LockManager(paths, system.effects)
  const log = makeLogger({ ident: name })
  let called = name
  let close = (): Promise<void> => Promise.resolve()
  try {
    if (document === undefined || rest.length > 0) throw new SmError('BadRequest', 'one argument is expected')
    const { sessionRef, functionName, args } = parseCall(document)
    called = functionName
    const handler = Object.hasOwn(functions, functionName) ? functions[functionName] : undefined
    if (handler === undefined) return failure('UNKNOWN_XENAPI_PLUGIN_FUNCTION', [functionName])
    const connection = connectSmXapi({ request: { sessionRef }, paths, effects: system.effects })
    close = () => connection.close()
    const result = await handler({ system, paths, locks, log, xapi: connection.xapi }, args)
    return encodeMethodResponse(result)
  } catch (error) {
    log.error(`${called} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    const [kind, text] = error instanceof Error ? [error.name, error.message] : ['Error', String(error)]
    return failure('XENAPI_PLUGIN_FAILURE', [called, kind, text])
  } finally {
    await locks.releaseAll()
    await close()
  }
}

function parseCall(document: string): { sessionRef: string; functionName: string; args: StringMap } {
  const { method, params } = decodeMethodCall(document)
  const [sessionRef, args] = params
  if (typeof sessionRef !== 'string' || !isStruct(args))
    throw new SmError('BadRequest', 'a session and a struct are expected')
  const texts = Object.entries(args).map(([key, value]) => {
    if (typeof value !== 'string') throw new SmError('BadRequest', `${key} is not a string`)
    return [key, value] as const
  })
  return { sessionRef, functionName: method, args: Object.fromEntries(texts) }
}

function failure(code: string, details: readonly string[]): string {
  return encodeMethodResponse({ Status: 'Failure', ErrorDescription: [code, ...details] })
}

/** A uuid among the arguments. @throws SmError BadRequest */
export function uuidArgument(args: StringMap, key: string): string {
  const value = args[key] ?? ''
  if (/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(value)) return value
  throw new SmError('BadRequest', `${key} is not a uuid`)
}
