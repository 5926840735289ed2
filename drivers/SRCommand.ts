import type { CommandName } from '../lib/smapi/commands.ts'
import type { DriverInfo } from '../lib/smapi/DriverInfo.ts'
import { SmError } from '../lib/smapi/SmError.ts'
import type { Request } from '../lib/smapi/Request.ts'
import type { Context } from './Context.ts'
import type { SR } from './SR.ts'

/** An SM plugin: what sr_get_driver_info answers, and how to get at the driver when a command needs it. */
export interface Plugin {
  readonly info: DriverInfo
  readonly load: () => Promise<new (context: Context) => SR>
}

/**
 * Runs one plugin call: the request is the only argument, the answer or the fault goes to stdout, everything else to the
 * log. The exit code is 0 whenever an answer was written (spec smapi 1).
 */
export async function runPlugin(plugin: Plugin, argv: readonly string[] = process.argv.slice(2)): Promise<void> {
  const answer = await answerTo(plugin, argv)
  await new Promise<void>(resolve => {
    process.stdout.write(answer, () => {
      resolve()
    })
  })
}

/** The XML document that answers one plugin call. Never rejects. */
export async function answerTo(plugin: Plugin, argv: readonly string[]): Promise<string> {
  const { decodeRequest } = await import('../lib/smapi/Request.ts')
  const { encodeResult } = await import('../lib/smapi/commands.ts')
  let request: Request | undefined
  try {
    const [argument] = argv
    if (argument === undefined || argv.length !== 1) throw new SmError('BadRequest', 'one argument is expected: the methodCall document')
    request = decodeRequest(argument)
    if (request.command === 'sr_get_driver_info') return encodeResult('sr_get_driver_info', plugin.info)
    return encodeResult(request.command, await execute(plugin, request))
  } catch (error) {
    return faultFor(error, request)
  }
}

async function faultFor(error: unknown, request: Request | undefined): Promise<string> {
  const { toFault } = await import('../lib/smapi/faults.ts')
  const { encodeFault } = await import('../lib/smapi/xmlrpc.ts')
  const { code, message } = toFault(error, request?.command)
  return encodeFault(code, message)
}

async function execute(plugin: Plugin, request: Request): Promise<unknown> {
  const [{ makeContext }, Driver] = await Promise.all([import('./makeContext.ts'), plugin.load()])
  const { context, close } = makeContext(request)
  const started = context.system.now()
  context.log.info(`${request.command} SR ${request.srUuid}${request.vdiUuid === undefined ? '' : ` VDI ${request.vdiUuid}`}`)
  try {
    const sr = new Driver(context)
    await sr.load()
    const result = await dispatch(sr, request.command, request)
    context.log.info(`${request.command} done in ${context.system.now() - started} ms`)
    return result
  } catch (error) {
    context.log.error(`${request.command} failed: ${describe(error)}`)
    throw error
  } finally {
    await close()
  }
}

/**
 * Takes the locks of the command, loads what it needs, and calls the method that bears its name (spec smapi 6).
 * An error of `cleanup` is reported only where the command itself succeeded.
 */
export async function dispatch(sr: SR, command: CommandName, request: Request): Promise<unknown> {
  let result: unknown
  try {
    result = await underLocks(sr, command, request)
  } catch (error) {
    await sr.cleanup().catch((second: unknown) => {
      sr.context.log.error(`cleanup after a failed ${command}: ${describe(second)}`)
    })
    throw error
  }
  await sr.cleanup()
  return result
}

async function underLocks(sr: SR, command: CommandName, request: Request): Promise<unknown> {
  const { commands } = await import('../lib/smapi/commands.ts')
  const { needsVdi } = commands[command]
  sr.refuseOnSlave(command)
  const exclusive = sr.exclusiveCommands.has(command)
  const lock = exclusive || (needsVdi && sr.locksVdiLoad) ? await sr.context.locks.lock(sr.uuid, 'sr') : undefined
  try {
    await sr.refusePending(command)
    if (exclusive && request.isMaster && sr.recoversBefore(command)) await sr.recover()
    if (!needsVdi) return await call(sr, command, request)
    const vdi = sr.vdi(request.vdiUuid ?? sr.context.system.newUuid())
    await vdi.load()
    if (!exclusive) await lock?.release()
    return await call(vdi, command, request)
  } finally {
    await lock?.release()
  }
}

async function call(target: object, command: CommandName, request: Request): Promise<unknown> {
  const method: unknown = Reflect.get(target, command)
  if (typeof method !== 'function') throw new SmError('Unimplemented')
  return (await Reflect.apply(method, target, [request])) as unknown
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
