import type { OpenFile } from '../../os/OpenFile.ts'
import { makeLogger } from '../../os/log.ts'
import { tryLockFile } from '../../os/posix-lock.ts'
import { makeSystem, type System } from '../../os/system.ts'
import { vhdError } from '../../vhd/errors.ts'
import type { Limit } from '../../vhd/parents.ts'
import { VhdError } from '../../vhd/VhdUtil.ts'
import { FreshFiles } from '../FreshFiles.ts'
import { DiskServer, type DiskServerOptions } from './DiskServer.ts'
import { type Registration, startTimeOf } from './registry.ts'

/** What the one who started it reads first. */
export type Greeting =
  | { readonly ready: true; readonly pid: number; readonly size: number }
  | { readonly ready: false; readonly errno: number; readonly message: string }

/**
 * `sm-nbd OPTIONS`: serves one disk until it is told to close, or by SIGTERM or SIGINT. OPTIONS is a JSON document
 * (`DiskServerOptions`). Its only line on stdout says whether it serves.
 */
export async function main([document]: readonly string[]): Promise<void> {
  const log = makeLogger({ ident: 'sm-nbd' })
  const host = makeSystem()
  const system = { ...host, files: new FreshFiles(host.effects) }
  try {
    const options = parseOptions(document ?? '')
    const lock = await beTheOnlyOne(system, options)
    await register(system, options)
    const server = await DiskServer.start(system, log, options).catch(async (reason: unknown) => {
      await system.files.unlinkIfPresent(options.registration)
      throw reason
    })
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        server.close().catch((error: unknown) => {
          log.error(`${options.name}: ${String(error)}`)
        })
      })
    }
    // Whoever started it may be gone, and its terminal with it.
    process.on('SIGHUP', () => undefined)
    log.info(`${options.name}: serving ${options.path} at ${options.socket}`)
    await greet({ ready: true, pid: process.pid, size: server.status().size })
    await server.ended
    for (const name of [options.registration, options.socket, options.control]) await system.files.unlinkIfPresent(name)
    await lock.close()
    log.info(`${options.name}: ended`)
  } catch (error) {
    const errno = error instanceof VhdError ? error.errno : errnoOf(error)
    log.error(`cannot serve: ${String(error)}`)
    await greet({ ready: false, errno, message: error instanceof Error ? error.message : String(error) })
    process.exitCode = 1
  }
}

/** Throws a SyntaxError or TypeError for what is no description of a disk to serve. */
export function parseOptions(document: string): DiskServerOptions {
  const value: unknown = JSON.parse(document)
  if (typeof value !== 'object' || value === null) throw new TypeError('the options are a JSON object')
  const found = value as Readonly<Record<string, unknown>>
  const text = (key: string): string => {
    const member = found[key]
    if (typeof member !== 'string' || member === '') throw new TypeError(`${key} is a string`)
    return member
  }
  const type = text('type')
  if (type !== 'vhd' && type !== 'aio') throw new TypeError('type is vhd or aio')
  return {
    name: text('name'),
    socket: text('socket'),
    control: text('control'),
    registration: text('registration'),
    srUuid: text('srUuid'),
    path: text('path'),
    limit: parseLimit(found['limit']),
    type,
    readOnly: found['readOnly'] === true,
    writeThrough: found['writeThrough'] === true,
  }
}

/** A disk without a limit is not served: its locators are a tenant's. */
function parseLimit(value: unknown): Limit {
  const found: unknown = value ?? {}
  if (typeof found === 'object' && found !== null) {
    if ('boundary' in found && typeof found.boundary === 'string') return { boundary: found.boundary }
    if ('group' in found && typeof found.group === 'string') return { group: found.group }
  }
  throw new TypeError('limit has a boundary or a group')
}

/** Two servers of one disk would destroy it: a lock that goes with the process keeps the second away. Throws EBUSY. */
async function beTheOnlyOne({ files }: System, { registration, name }: DiskServerOptions): Promise<OpenFile> {
  const lock = await files.create(`${registration}.lock`, { mode: 0o600 })
  if (!(await tryLockFile(lock.fd))) throw vhdError('EBUSY', `${name} is served by another process already`)
  return lock
}

async function register({ files }: System, options: DiskServerOptions): Promise<void> {
  const { name: vdiUuid, srUuid, path, socket, control, registration } = options
  const startTime = (await startTimeOf(files, process.pid)) ?? ''
  const noted: Registration = { pid: process.pid, startTime, srUuid, vdiUuid, path, socket, control }
  await files.writeDurably(registration, JSON.stringify(noted))
}

async function greet(greeting: Greeting): Promise<void> {
  await new Promise<void>(resolve => {
    process.stdout.on('error', () => {
      resolve()
    })
    process.stdout.write(`${JSON.stringify(greeting)}\n`, () => {
      resolve()
    })
  })
}

function errnoOf(error: unknown): number {
  return error instanceof Error && 'errno' in error && typeof error.errno === 'number' ? Math.abs(error.errno) : 22
}
