import { commands, encodeResult, type CommandName } from '../lib/smapi/commands.ts'
import { toFault } from '../lib/smapi/faults.ts'
import { describeError } from '../lib/os/describeError.ts'
import type { System } from '../lib/os/system.ts'
import type { Request } from '../lib/smapi/Request.ts'
import { SmError } from '../lib/smapi/SmError.ts'
import { encodeFault } from '../lib/smapi/xmlrpc.ts'
import type { Context } from './Context.ts'
import { makeContext } from './makeContext.ts'
import type { SR } from './SR.ts'

/** A driver: the class of an SR type. */
export type Driver = new (context: Context) => SR

/** Carries out one command with a driver and returns the document that answers it, a fault if need be. */
export async function answerWith(driver: Driver, request: Request, system?: System): Promise<string> {
  try {
    return encodeResult(request.command, await execute(driver, request, system))
  } catch (error) {
    const { code, message } = toFault(error, request.command)
    return encodeFault(code, message)
  }
}

async function execute(driver: Driver, request: Request, system?: System): Promise<unknown> {
  const { context, close } = makeContext(request, system)
  const started = context.system.now()
  context.log.info(
    `${request.command} SR ${request.srUuid}${request.vdiUuid === undefined ? '' : ` VDI ${request.vdiUuid}`}`,
  )
  try {
    const sr = new driver(context)
    await sr.load()
    const result = await dispatch(sr, request.command, request)
    context.log.info(`${request.command} done in ${context.system.now() - started} ms`)
    return result
  } catch (error) {
    context.log.error(`${request.command} failed: ${describeError(error)}`)
    throw error
  } finally {
    await quietly(context, 'ending the call', close)
  }
}

/** What comes after the work is done says nothing of the work: a lock goes with its process at the latest. */
async function quietly(context: Context, what: string, step: () => unknown): Promise<void> {
  try {
    await step()
  } catch (error) {
    context.log.error(`${what} failed: ${describeError(error)}`)
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
      sr.context.log.error(`cleanup after a failed ${command}: ${describeError(second)}`)
    })
    throw error
  }
  await sr.cleanup()
  return result
}

async function underLocks(sr: SR, command: CommandName, request: Request): Promise<unknown> {
  const { needsVdi } = commands[command]
  sr.refuseOnSlave(command)
  const exclusive = sr.exclusiveCommands.has(command)
  const lock = exclusive || (needsVdi && sr.locksVdiLoad) ? await sr.context.locks.lock(sr.uuid, 'sr') : undefined
  try {
    if (exclusive && request.isMaster && sr.recoversBefore(command)) await sr.recover()
    await sr.refusePending(command)
    if (!needsVdi) return await call(sr, command, request)
    const vdi = sr.vdi(request.vdiUuid ?? sr.context.system.newUuid())
    await vdi.load()
    if (!exclusive) await lock?.release()
    return await call(vdi, command, request)
  } finally {
    await quietly(sr.context, 'releasing the SR lock', () => lock?.release())
  }
}

async function call(target: object, command: CommandName, request: Request): Promise<unknown> {
  const method: unknown = Reflect.get(target, command)
  if (typeof method !== 'function') throw new SmError('Unimplemented')
  return (await Reflect.apply(method, target, [request])) as unknown
}
