import type { Ref, StringMap } from '../../xapi/XapiClient.ts'
import { isOfType } from '../schema/field.ts'
import { isObject } from '../../xapi/protocol.ts'
import type { Executor } from './Executor.ts'
import { readArray, readString, readStrings, readStruct, ResponseMismatch } from './plugin-response.ts'
import { runDriver } from './run-driver.ts'
import type { XmlNode } from './xml-tree.ts'

/** What a driver tells about itself (spec smapi 5.1). */
export interface DriverInfo {
  readonly name: string
  readonly description: string
  readonly vendor: string
  readonly copyright: string
  readonly driverVersion: string
  readonly requiredApiVersion: string
  readonly capabilities: readonly string[]
  readonly configuration: StringMap
  readonly imageFormats: readonly string[]
}

/** The feature names that xapi knows (spec smapi 5.3). */
const knownFeatures: ReadonlySet<string> = new Set([
  ...['SR_CREATE', 'SR_DELETE', 'SR_ATTACH', 'SR_DETACH', 'SR_SCAN', 'SR_PROBE', 'SR_UPDATE'],
  ...['SR_SUPPORTS_LOCAL_CACHING', 'SR_CACHING', 'SR_STATS', 'SR_METADATA', 'SR_TRIM', 'SR_MULTIPATH'],
  ...['VDI_CREATE', 'VDI_DELETE', 'VDI_RESIZE', 'VDI_RESIZE_ONLINE', 'VDI_ATTACH', 'VDI_DETACH'],
  ...['VDI_ACTIVATE', 'VDI_DEACTIVATE', 'VDI_ACTIVATE_READONLY', 'VDI_SNAPSHOT', 'VDI_CLONE', 'VDI_REVERT'],
  ...['VDI_INTRODUCE', 'VDI_UPDATE', 'VDI_GENERATE_CONFIG', 'VDI_ATTACH_OFFLINE', 'VDI_RESET_ON_BOOT'],
  ...['VDI_CONFIG_CBT', 'VDI_MIRROR', 'VDI_MIRROR_IN', 'VDI_COMPOSE', 'VDI_READ_CACHING', 'LARGE_VDI'],
  'THIN_PROVISIONING',
])

/** Asks a driver. Throws as `runDriver` does. */
export async function askDriver(executor: Executor, driver: string, host: Ref): Promise<DriverInfo> {
  const request = { host_ref: host, command: 'sr_get_driver_info', args: [], device_config: {} }
  return runDriver(executor, driver, request, readDriverInfo)
}

/** Versions by feature: `NAME/2` is version 2, a missing or bad version counts as 1, unknown names are left out. */
export function featuresOf(capabilities: readonly string[]): Readonly<Record<string, number>> {
  const features = new Map<string, number>()
  for (const capability of capabilities) {
    const [name = '', version = ''] = capability.split('/')
    const number = /^\d{1,9}$/.test(version) ? Number(version) : 1
    if (knownFeatures.has(name) && !features.has(name)) features.set(name, Math.max(1, number))
  }
  return Object.fromEntries(features)
}

/** Whether a value read back from a file is a driver's information. */
export function isDriverInfo(value: unknown): value is DriverInfo {
  if (!isObject(value)) return false
  const texts = ['name', 'description', 'vendor', 'copyright', 'driverVersion', 'requiredApiVersion']
  return (
    texts.every(name => typeof value[name] === 'string') &&
    isOfType(value['capabilities'], 'strings') &&
    isOfType(value['imageFormats'], 'strings') &&
    isOfType(value['configuration'], 'map')
  )
}

function readDriverInfo(value: XmlNode): DriverInfo {
  const members = readStruct(value)
  const required = (name: string): XmlNode => {
    const member = members.get(name)
    if (member === undefined) throw new ResponseMismatch(`driver information without ${name}`)
    return member
  }
  const formats = members.get('supported_image_formats')
  const info = {
    name: readString(required('name')),
    description: readString(required('description')),
    vendor: readString(required('vendor')),
    copyright: readString(required('copyright')),
    driverVersion: readString(required('driver_version')),
    requiredApiVersion: readString(required('required_api_version')),
    capabilities: readArray(required('capabilities')).map(readString),
    configuration: Object.fromEntries(readArray(required('configuration')).map(readKey)),
    imageFormats: formats === undefined ? [] : readArray(formats).map(readString),
  }
  const unknown = info.imageFormats.find(format => !['raw', 'vhd', 'qcow2'].includes(format))
  if (unknown !== undefined) throw new ResponseMismatch(`image format ${unknown}`)
  if (!/^[01](\.\d+)*$/.test(info.requiredApiVersion)) throw new ResponseMismatch('not a driver of SMAPIv1')
  return info
}

function readKey(value: XmlNode): [string, string] {
  const members = readStrings(value)
  return [members.get('key') ?? '', members.get('description') ?? '']
}
