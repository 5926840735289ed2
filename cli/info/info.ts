import type { Connection } from '../connection.ts'
import { OperationError } from '../failures.ts'
import { formatDate } from '../format/date.ts'
import { formatSize } from '../format/sizes.ts'
import { renderFields } from '../format/table.ts'
import { print, printJson } from '../output.ts'
import { allSrs, allVdis, findSr, findVdi, srOf, type Sr, type Vdi } from '../records.ts'
import { nameOf } from '../resolve.ts'
import { srJson, vdiJson } from '../shapes.ts'
import { toObject, toText, toTexts } from '../../lib/xapi/normalise.ts'

interface Driver {
  readonly type: string
  readonly file: string
  readonly name: string
  readonly capabilities: readonly string[]
}

/** Where everything is, and which drivers there are. */
export async function showEnvironment(connection: Connection, json: boolean): Promise<void> {
  const { environment, url, ownToolstack } = connection
  const { paths } = environment
  const drivers = await driversOf(connection)
  const vhdTool = (await vhdUtilName(connection)) ?? 'in process'
  const facts = {
    root: paths.root,
    log: process.env['SM_LOG'] ?? '',
    xapi: url,
    own_toolstack: ownToolstack,
    vhd_util: vhdTool,
  }
  if (json) {
    await printJson({ ...facts, drivers })
    return
  }
  const fields: [string, string][] = [
    ['root (SM_ROOT)', facts.root],
    ['log (SM_LOG)', facts.log],
    ['toolstack (SM_XAPI_URL)', ownToolstack ? 'in this process' : url],
    ['VHD tool (SM_VHD_UTIL)', vhdTool],
    ['storage repositories', String((await allSrs(connection)).length)],
    ...drivers.map(({ type, name, capabilities }): [string, string] => [
      `driver ${type}`,
      `${name}: ${capabilities.join(' ')}`,
    ]),
  ]
  await print(renderFields(fields))
}

/** Everything about the SR or VDI of that name. Throws OperationError where there is none or more than one. */
export function showObject(text: string): (connection: Connection, json: boolean) => Promise<void> {
  return async (connection, json) => {
    const { sr, vdi } = await find(connection, text)
    if (vdi !== undefined)
      await (json ? printJson(vdiJson(vdi)) : print(renderFields(await vdiFields(connection, vdi))))
    else if (sr !== undefined) await (json ? printJson(srJson(sr)) : print(renderFields(srFields(sr))))
  }
}

async function find(connection: Connection, text: string): Promise<{ sr?: Sr; vdi?: Vdi }> {
  const sr = await attempt(() => findSr(connection, text))
  const vdi = await attempt(() => findVdi(connection, text))
  if (sr instanceof Error && vdi instanceof Error) throw vdi
  if (!(sr instanceof Error) && !(vdi instanceof Error)) {
    throw new OperationError(`'${text}' is a storage repository and a VDI`, [`  ${sr.uuid}`, `  ${vdi.uuid}`])
  }
  return { ...(sr instanceof Error ? {} : { sr }), ...(vdi instanceof Error ? {} : { vdi }) }
}

async function attempt<T>(look: () => Promise<T>): Promise<T | OperationError> {
  try {
    return await look()
  } catch (error) {
    if (error instanceof OperationError) return error
    throw error
  }
}

async function driversOf({ caller }: Connection): Promise<Driver[]> {
  const records = toObject(await caller.call('SM.get_all_records'), 'SM.get_all_records')
  return Object.values(records).map(value => {
    const record = toObject(value, 'SM')
    return {
      type: toText(record['type'], 'SM.type'),
      file: toText(record['driver_filename'], 'SM.driver_filename'),
      name: toText(record['name_label'], 'SM.name_label'),
      capabilities: toTexts(record['capabilities'], 'SM.capabilities'),
    }
  })
}

async function vhdUtilName({ environment }: Connection): Promise<string | undefined> {
  const [{ chooseVhdUtil }, { EmbeddedVhdUtil }] = await Promise.all([
    import('../../lib/vhd/chooseVhdUtil.ts'),
    import('../../lib/vhd/EmbeddedVhdUtil.ts'),
  ])
  const tool = await chooseVhdUtil(environment.system)
  return tool instanceof EmbeddedVhdUtil ? undefined : (process.env['SM_VHD_UTIL'] ?? 'native')
}

async function vdiFields(connection: Connection, vdi: Vdi): Promise<[string, string][]> {
  const { record, ref, detail } = vdi
  const sr = await srOf(connection, vdi)
  const keys = Object.entries(record.sm_config).map(([key, value]): [string, string] => [`sm_config:${key}`, value])
  const others = Object.entries(record.other_config).map(([key, value]): [string, string] => [
    `other_config:${key}`,
    value,
  ])
  const flags = (['read_only', 'sharable', 'missing', 'cbt_enabled'] as const).filter(flag => record[flag])
  return [
    ['uuid', vdi.uuid],
    ['reference', ref],
    ['name', record.name_label],
    ['description', record.name_description],
    ['kind', detail],
    ...(record.is_a_snapshot ? [['snapshot of', await originOf(connection, vdi)] as [string, string]] : []),
    ...(record.is_a_snapshot ? [['taken', formatDate(record.snapshot_time)] as [string, string]] : []),
    ['storage repository', nameOf(sr)],
    ['size', `${formatSize(record.virtual_size)} (${record.virtual_size} bytes)`],
    ['on disk', formatSize(record.physical_utilisation)],
    ['flags', flags.join(' ')],
    ...keys,
    ...others,
  ]
}

async function originOf(connection: Connection, { record }: Vdi): Promise<string> {
  const origin = (await allVdis(connection)).find(({ ref }) => ref === record.snapshot_of)
  return origin === undefined ? 'a disk that is gone' : nameOf(origin)
}

function srFields(sr: Sr): [string, string][] {
  const { record, pbd } = sr
  const config = Object.entries(record.sm_config).map(([key, value]): [string, string] => [`sm_config:${key}`, value])
  const shownPbd = srJson(sr)['pbd'] as { device_config: Readonly<Record<string, string>> } | null
  const device = Object.entries(shownPbd?.device_config ?? {})
  return [
    ['uuid', sr.uuid],
    ['reference', sr.ref],
    ['name', record.name_label],
    ['description', record.name_description],
    ['type', record.type],
    ['attached', pbd?.record.currently_attached === true ? 'yes' : 'no'],
    ['PBD', pbd?.record.uuid ?? 'none'],
    ...device.map(([key, value]): [string, string] => [`device_config:${key}`, value]),
    ['disks and base copies', String(record.VDIs.length)],
    ['allocated', formatSize(record.virtual_allocation)],
    ['used, of the whole below', `${formatSize(record.physical_utilisation)} of ${formatSize(record.physical_size)}`],
    ...config,
  ]
}
