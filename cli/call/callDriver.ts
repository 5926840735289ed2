import path from 'node:path'
import { maskSecrets } from '../../lib/os/log.ts'
import { decodeMethodResponse, encodeMethodCall } from '../../lib/smapi/xmlrpc.ts'
import type { XmlInput, XmlValue } from '../../lib/smapi/xmlrpc.ts'
import type { Connection } from '../connection.ts'
import { smErrorName } from '../explain.ts'
import { OperationError, Refused, UsageError } from '../failures.ts'
import { printable } from '../format/text.ts'
import { print, printJson } from '../output.ts'
import { findSr, findVdi, srOf, type Sr, type Vdi } from '../records.ts'

export interface CallOptions {
  readonly sr?: string
  readonly vdi?: string
  readonly arg?: readonly string[]
  readonly deviceConfig?: Readonly<Record<string, string>>
  readonly member?: Readonly<Record<string, string>>
  readonly json?: true
}

export interface DriverCall {
  readonly driver: string
  readonly command: string
  readonly options: CallOptions
}

type Struct = Readonly<Record<string, XmlInput>>
type Answer = { readonly value: XmlValue } | { readonly fault: { readonly code: number; readonly message: string } }

/** Runs a driver as xapi does and shows both documents. Throws Refused for a fault, OperationError for no answer. */
export async function callDriver(connection: Connection, call: DriverCall): Promise<void> {
  const { driver, command, options } = call
  const { request, answer } = await askDriver(connection, call)
  if (options.json === true) await printJson({ driver, command, request: shown(request), answer })
  else await print(await describe(call, request, answer))
  if ('fault' in answer) throw new Refused()
}

/** Runs a driver as xapi does. Throws OperationError for a fault, and for no answer. */
export async function driverResult(connection: Connection, call: DriverCall): Promise<XmlValue> {
  const { answer } = await askDriver(connection, call)
  if ('value' in answer) return answer.value
  const { code, message } = answer.fault
  throw new OperationError(`${(await smErrorName(code)) ?? 'SM error'} (${code}): ${printable(message)}`)
}

async function askDriver(
  connection: Connection,
  { driver, command, options }: DriverCall,
): Promise<{ request: Struct; answer: Answer }> {
  const program = await driverProgram(connection, driver)
  const { sr, vdi } = await objectsOf(connection, options)
  if (sr !== undefined) await actForSr(connection, sr)
  const request = await requestOf(connection, { command, options, sr, vdi })
  return { request, answer: await run(connection, program, encodeMethodCall(command, [request])) }
}

/** A name must not lead out of the directory of plugins. */
async function driverProgram({ environment }: Connection, driver: string): Promise<string> {
  const { files } = environment.system
  const known = (await files.list(environment.smDir)).filter(name => /^[A-Za-z0-9]+SR$/.test(name))
  if (known.includes(driver)) return path.join(environment.smDir, driver)
  throw new UsageError(`there is no driver '${printable(driver)}'; there are: ${known.join(', ')}`)
}

async function objectsOf(
  connection: Connection,
  options: CallOptions,
): Promise<{ sr: Sr | undefined; vdi: Vdi | undefined }> {
  const vdi = options.vdi === undefined ? undefined : await findVdi(connection, options.vdi)
  if (vdi !== undefined) return { vdi, sr: await srOf(connection, vdi) }
  return { vdi, sr: options.sr === undefined ? undefined : await findSr(connection, options.sr) }
}

/** Gives our session what a driver's session has: the right to change the protected fields of its SR. */
async function actForSr({ caller, session }: Connection, sr: Sr): Promise<void> {
  await caller.call('session.remove_from_other_config', session, '_sm_session')
  await caller.call('session.add_to_other_config', session, '_sm_session', sr.ref)
}

interface RequestParts {
  readonly command: string
  readonly options: CallOptions
  readonly sr: Sr | undefined
  readonly vdi: Vdi | undefined
}

async function requestOf(connection: Connection, { command, options, sr, vdi }: RequestParts): Promise<Struct> {
  const { xapi, session } = connection
  return {
    host_ref: await xapi.poolGetMaster(),
    command,
    args: options.arg ?? [],
    device_config: { SRmaster: 'true', ...sr?.pbd?.record.device_config, ...options.deviceConfig },
    session_ref: session,
    ...(sr === undefined ? {} : { sr_ref: sr.ref, sr_uuid: sr.uuid }),
    ...(vdi === undefined ? {} : vdiMembers(vdi)),
    ...options.member,
  }
}

function vdiMembers({ ref, uuid, record }: Vdi): Struct {
  return {
    vdi_ref: ref,
    vdi_uuid: uuid,
    vdi_location: record.location,
    vdi_on_boot: record.on_boot,
    vdi_allow_caching: String(record.allow_caching),
  }
}

async function run({ environment, url }: Connection, program: string, document: string): Promise<Answer> {
  const env = { SM_ROOT: environment.paths.root, SM_XAPI_URL: url, ORIGINATOR: 'SM' }
  const { stdout, stderr } = await environment.system.run([program, document], { env })
  try {
    return decodeMethodResponse(stdout)
  } catch (error) {
    throw new OperationError(`the driver did not answer: ${printable(stderr === '' ? stdout : stderr)}`, [], {
      cause: error,
    })
  }
}

function shown(request: Struct): Struct {
  const deviceConfig = request['device_config'] as Readonly<Record<string, string>>
  return { ...request, session_ref: '******', device_config: maskSecrets(deviceConfig) }
}

async function describe({ driver, command }: DriverCall, request: Struct, answer: Answer): Promise<string> {
  const sent = `${driver} ${command}\n${indented(shown(request))}\n`
  if ('value' in answer) return `${sent}answer\n${indented(answer.value)}\n`
  const { code, message } = answer.fault
  return `${sent}fault ${code}: ${(await smErrorName(code)) ?? 'unknown name'}\n  ${printable(message)}\n`
}

function indented(value: unknown): string {
  return JSON.stringify(value, undefined, 2).replace(/^/gm, '  ')
}
