import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import path from 'node:path'
import { isErrno, type Files } from '../os/files.ts'
import type { Logger } from '../os/log.ts'
import { isObject } from '../xapi/protocol.ts'
import type { Ref } from '../xapi/XapiClient.ts'
import type { RecordOf } from './schema/schema.ts'
import { askDriver, featuresOf, isDriverInfo, type DriverInfo } from './storage/driver-info.ts'
import type { Executor } from './storage/Executor.ts'
import type { Store } from './Store.ts'

export interface DriverSearch {
  readonly files: Files
  readonly executor: Executor
  readonly log: Logger
  readonly host: Ref
  /** Directory of the plugins. */
  readonly smDir: string
  /** What was known before, by path: an unchanged plugin is not asked again. */
  readonly known: Readonly<Record<string, unknown>>
}

/** A plugin as it was when it was asked. */
interface Known {
  readonly mtimeMs: number
  readonly size: number
  readonly info: DriverInfo
}

/** Finds the drivers of the plugin directory (spec smapi 1). One that does not answer properly is logged and left out. */
export async function findDrivers(search: DriverSearch): Promise<Map<string, Known>> {
  const found = new Map<string, Known>()
  for (const name of await listDirectory(search.files, search.smDir)) {
    if (!/.SR$/.test(name)) continue
    const driver = path.join(search.smDir, name)
    const known = await askUnlessKnown(search, driver)
    if (known !== undefined) found.set(driver, known)
  }
  return found
}

/** Makes the SM records agree with the drivers that there are (spec smapi 5.5). */
export function registerDrivers(store: Store, drivers: ReadonlyMap<string, Known>): void {
  for (const [driver, { info }] of drivers) {
    const type = path.basename(driver).slice(0, -'SR'.length).toLowerCase()
    const [ref] = store.where('SM', 'type', type)
    const fields = smFields(type, driver, info)
    if (ref === undefined) store.create('SM', fields)
    else if (differs(store.get('SM', ref), fields)) store.update('SM', ref, fields)
  }
  for (const ref of store.refs('SM')) {
    if (!drivers.has(store.get('SM', ref).driver_filename)) store.remove('SM', ref)
  }
}

async function listDirectory(files: Files, directory: string): Promise<string[]> {
  try {
    return await files.list(directory)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return []
    throw error
  }
}

async function askUnlessKnown(search: DriverSearch, driver: string): Promise<Known | undefined> {
  try {
    await access(driver, constants.X_OK)
    const { mtimeMs, size } = await stat(driver)
    const known = Object.hasOwn(search.known, driver) ? search.known[driver] : undefined
    if (isKnown(known) && known.mtimeMs === mtimeMs && known.size === size) return known
    return { mtimeMs, size, info: await askDriver(search.executor, driver, search.host) }
  } catch (error) {
    search.log.error(`${driver} is not used: ${error instanceof Error ? error.message : String(error)}`)
    return undefined
  }
}

function isKnown(value: unknown): value is Known {
  return isObject(value) && isDriverInfo(value['info'])
}

function smFields(type: string, driver: string, info: DriverInfo): Partial<RecordOf<'SM'>> {
  const features = featuresOf(info.capabilities)
  return {
    type,
    name_label: info.name,
    name_description: info.description,
    vendor: info.vendor,
    copyright: info.copyright,
    version: info.driverVersion,
    required_api_version: info.requiredApiVersion,
    configuration: info.configuration,
    capabilities: Object.keys(features),
    features,
    driver_filename: driver,
    supported_image_formats: info.imageFormats,
  }
}

function differs(record: RecordOf<'SM'>, fields: Partial<RecordOf<'SM'>>): boolean {
  const current = Object.fromEntries(Object.entries(record).filter(([name]) => name in fields))
  const order = (value: object) => JSON.stringify(Object.entries(value).sort())
  return order(current) !== order(fields)
}
