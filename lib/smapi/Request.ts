import { checkArguments } from './args.ts'
import { commands, isCommandName, type CommandName } from './commands.ts'
import { listMember, mapMember, memberForms, stringMember } from './members.ts'
import { SmError } from './SmError.ts'
import { decodeMethodCall, isStruct, XmlRpcError, type XmlValue } from './xmlrpc.ts'

type StringMap = Readonly<Record<string, string>>

/** One decoded and checked plugin call (spec smapi 2.2). Maps have no prototype; absent members are undefined or empty. */
export interface Request {
  readonly command: CommandName
  readonly args: readonly string[]
  readonly deviceConfig: StringMap
  /** `device_config:SRmaster`: this host is the SR's master. */
  readonly isMaster: boolean
  readonly hostRef?: string | undefined
  readonly sessionRef?: string | undefined
  readonly srRef?: string | undefined
  /** Empty where the command concerns no SR (sr_probe). */
  readonly srUuid: string
  readonly vdiRef?: string | undefined
  readonly vdiUuid?: string | undefined
  readonly vdiLocation?: string | undefined
  readonly vdiType?: string | undefined
  readonly vdiSmConfig: StringMap
  readonly driverParams: StringMap
  readonly hasDriverParams: boolean
  readonly srSmConfig: StringMap
  readonly srOtherConfig: StringMap
  readonly newUuid?: string | undefined
  readonly subtaskOf?: string | undefined
  /** `persist` or `reset`. */
  readonly vdiOnBoot?: string | undefined
  /** `true` or `false`. */
  readonly vdiAllowCaching?: string | undefined
  readonly localCacheSr?: string | undefined
}

/** What the kernel lets through as one argument of a program. */
const MAX_ARGUMENT_BYTES = 128 * 1024

/**
 * Decodes and checks a plugin's argument. Unknown members are ignored.
 *
 * Throws SmError BadRequest (143) where it is no call of a known command or lacks what the command needs, and
 * InvalidArg (1), naming the member or argument, where a value is malformed.
 */
export function decodeRequest(argument: string): Request {
  const { method, struct } = decodeCall(argument)
  if (!isCommandName(method)) throw new SmError('BadRequest', `unknown command ${method}`)
  if (struct['device_config'] === undefined) throw missing('device_config')
  const request = readMembers(method, struct)
  checkPresence(request)
  checkArguments(commands[method].args, request.args)
  return request
}

function decodeCall(argument: string): { method: string; struct: Readonly<Record<string, XmlValue>> } {
  try {
    const { method, params } = decodeMethodCall(argument, MAX_ARGUMENT_BYTES)
    const [struct] = params
    if (params.length !== 1 || !isStruct(struct)) throw new XmlRpcError('one struct is expected')
    return { method, struct }
  } catch (error) {
    if (error instanceof XmlRpcError) throw new SmError('BadRequest', error.message, { cause: error })
    throw error
  }
}

function missing(name: string): SmError {
  return new SmError('BadRequest', `${name} is missing`)
}

function readMembers(command: CommandName, struct: Readonly<Record<string, XmlValue>>): Request {
  const text = (name: string, form: RegExp) => stringMember(struct, name, form)
  const { uuid, ref, task, location, word, boolean, onBoot } = memberForms
  const deviceConfig = mapMember(struct, 'device_config')
  return {
    command,
    args: listMember(struct, 'args'),
    deviceConfig,
    isMaster: deviceConfig['SRmaster'] === 'true',
    hostRef: text('host_ref', ref),
    sessionRef: text('session_ref', ref),
    srRef: text('sr_ref', ref),
    srUuid: text('sr_uuid', uuid) ?? '',
    vdiRef: text('vdi_ref', ref),
    vdiUuid: text('vdi_uuid', uuid),
    vdiLocation: text('vdi_location', location),
    vdiType: text('vdi_type', word),
    vdiSmConfig: mapMember(struct, 'vdi_sm_config'),
    driverParams: mapMember(struct, 'driver_params'),
    hasDriverParams: struct['driver_params'] !== undefined,
    srSmConfig: mapMember(struct, 'sr_sm_config'),
    srOtherConfig: mapMember(struct, 'sr_other_config'),
    newUuid: text('new_uuid', uuid),
    subtaskOf: text('subtask_of', task),
    vdiOnBoot: text('vdi_on_boot', onBoot),
    vdiAllowCaching: text('vdi_allow_caching', boolean),
    localCacheSr: text('local_cache_sr', uuid),
  }
}

function checkPresence(request: Request): void {
  const row = commands[request.command]
  if (row.needsSr && request.srUuid === '') throw missing('sr_uuid')
  if (row.needsSession && request.sessionRef === undefined) throw missing('session_ref')
  if (row.needsVdi && request.command !== 'vdi_create' && request.vdiUuid === undefined) throw missing('vdi_uuid')
}
