import { isIPv6 } from 'node:net'
import { SmError } from '../smapi/SmError.ts'

type StringMap = Readonly<Record<string, string>>

/** How an export is mounted. */
export interface NfsMount {
  /** Name or address. */
  readonly server: string
  /** `3`, `4`, `4.0`, … */
  readonly version: string
  readonly transport: string
  /** Options of the administrator's own, comma-separated. */
  readonly options: string
}

/** How long a soft mount tries: deciseconds, and number of repetitions. */
export interface Patience {
  readonly timeo: number
  readonly retrans: number
}

const DEFAULT_PATIENCE: Patience = { timeo: 200, retrans: 4 }
const HOST_NAME = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,253}[A-Za-z0-9.])?$/
const MAX_PATH = 1024
const VERSION = /^(3|4(\.[0-2])?)$/
const OPTIONS = /^[A-Za-z0-9_]+(=[A-Za-z0-9_.:/@%-]+)?(,[A-Za-z0-9_]+(=[A-Za-z0-9_.:/@%-]+)?)*$/
/** How fresh names and files are: other hosts must see each rename and each write at their next open (spec file-sr 6.3). */
const CACHING = ['acregmin', 'acregmax', 'acdirmin', 'acdirmax', 'actimeo', 'nocto']
const PROTOCOL = ['vers', 'nfsvers', 'minorversion', 'v2', 'v3', 'v4', 'proto', 'tcp', 'udp', 'rdma']
/** What is not mounted when the command has ended, or is no mount of the export. */
const OTHERWISE = ['bg', 'bind', 'remount', 'move']
const FIXED_OPTIONS = new Set([...CACHING, ...PROTOCOL, ...OTHERWISE])

/** The server as it is given. @throws SmError ConfigServerMissing */
export function requireServer(config: StringMap): string {
  const server = config['server']
  if (server === undefined || server === '') throw new SmError('ConfigServerMissing')
  return server
}

/** @throws SmError ConfigServerMissing, InvalidArg where it is neither a host name nor an address */
export function serverOf(config: StringMap): string {
  const server = requireServer(config)
  if (!HOST_NAME.test(server) && !isIPv6(server)) {
    throw new SmError('InvalidArg', 'device_config:server must be a host name or an address')
  }
  return server
}

/** The exported path; undefined where none is given. @throws SmError InvalidArg where it is not absolute or not printable */
export function serverPathOf(config: StringMap): string | undefined {
  const serverPath = config['serverpath']
  if (serverPath === undefined || serverPath === '') return undefined
  if (!/^\/[^\p{Cc}]*$/u.test(serverPath) || serverPath.length > MAX_PATH || serverPath.split('/').includes('..')) {
    throw new SmError('InvalidArg', 'device_config:serverpath must be an absolute path')
  }
  return serverPath
}

/** Default 3. @throws Error, which becomes the bare fault that clients know */
export function versionOf(config: StringMap): string {
  const version = config['nfsversion'] ?? '3'
  if (!VERSION.test(version)) throw new Error('Invalid nfsversion.')
  return version
}

/** @throws SmError InvalidArg where they are no mount options, or would undo one that the SR depends on */
export function optionsOf(config: StringMap): string {
  const options = config['options'] ?? ''
  if (options === '') return ''
  if (!OPTIONS.test(options))
    throw new SmError('InvalidArg', 'device_config:options must be comma-separated mount options')
  for (const option of options.split(',')) {
    const [name = ''] = option.split('=')
    if (FIXED_OPTIONS.has(name)) throw new SmError('InvalidArg', `device_config:options must not contain ${name}`)
  }
  return options
}

/**
 * From `SR.other_config`. Values that are too small are replaced by the default, which `warn` is told.
 * @throws Error where one is no integer, as the reference does
 */
export function patienceOf(otherConfig: StringMap, warn: (text: string) => void): Patience {
  const read = (key: string, least: number, fallback: number) => {
    const text = otherConfig[key]
    if (text === undefined) return fallback
    if (!/^[+-]?\d{1,9}$/.test(text)) throw new Error(`other_config:${key} must be an integer: ${text}`)
    if (Number(text) >= least) return Number(text)
    warn(`other_config:${key} is ${text}, less than ${least}: ${fallback} is used`)
    return fallback
  }
  return {
    timeo: read('nfs-timeout', 1, DEFAULT_PATIENCE.timeo),
    retrans: read('nfs-retrans', 0, DEFAULT_PATIENCE.retrans),
  }
}

/** The command that mounts a path of the server (spec file-sr 6.3, item 2). */
export function mountCommand(
  mount: NfsMount,
  serverPath: string,
  mountPoint: string,
  patience?: Patience,
): [string, ...string[]] {
  const { server, transport, version, options } = mount
  const host = transport.endsWith('6') ? `[${server}]` : server
  const all = [
    'soft',
    `proto=${transport}`,
    `vers=${version}`,
    'acdirmin=0',
    'acdirmax=0',
    ...(patience === undefined ? [] : [`timeo=${patience.timeo}`, `retrans=${patience.retrans}`]),
    ...(options === '' ? [] : [options]),
  ]
  return ['mount.nfs', `${host}:${serverPath}`, mountPoint, '-o', all.join(',')]
}
