import { isObject } from '../../lib/xapi/protocol.ts'
import { SR_REF, type Box } from './sm-transcripts-box.ts'
import type { Changes, Fields } from './sm-transcripts-format.ts'
import type { Names } from './sm-transcripts-names.ts'

/** What the recordings show of the database: SRs, PBDs and VDIs by uuid, messages by reference. Fields as they show them. */
export type Database = Readonly<Record<'SR' | 'PBD' | 'VDI' | 'message', Readonly<Record<string, Fields>>>>

/** VDI uuid to reference. */
export type Refs = ReadonlyMap<string, string>

/** Depend on the file system, on which other things happen too; `capacityProblems` looks at them. */
const CAPACITY = ['physical_size', 'physical_utilisation']

export async function readDatabase(box: Box): Promise<Database> {
  const sr = await record(box, 'SR.get_record', SR_REF)
  const vdis = await records(box, 'VDI')
  const uuids = new Map(vdis.map(([ref, vdi]) => [ref, String(vdi['uuid'])]))
  const messages = await records(box, 'message')
  const pbds = await records(box, 'PBD')
  return {
    SR: { [box.srUuid]: srFields(sr) },
    PBD: Object.fromEntries(pbds.map(([, pbd]) => [String(pbd['uuid']), { other_config: pbd['other_config'] }])),
    VDI: Object.fromEntries(vdis.map(([, vdi]) => [String(vdi['uuid']), vdiFields(vdi, uuids, box.srUuid)])),
    message: Object.fromEntries(messages.map(([ref, message]) => [ref, messageFields(message)])),
  }
}

export async function readRefs(box: Box): Promise<Refs> {
  return new Map((await records(box, 'VDI')).map(([ref, vdi]) => [String(vdi['uuid']), ref]))
}

/** What changed, in the form of the recordings but in our names. */
export function changesBetween(before: Database, after: Database): Changes {
  const changed = (['SR', 'PBD', 'VDI', 'message'] as const).map(
    name => [name, tableChanges(before[name], after[name])] as const,
  )
  return Object.fromEntries(changed.filter(([, changes]) => Object.keys(changes).length > 0))
}

/**
 * Changes in one form, to be compared: without what is incidental (references, moments), or depends on the file system
 * unless it is asked for. A message is known by its name.
 */
export function comparable(changes: Changes, { withCapacity = false } = {}): Changes {
  const { SR = {}, PBD, VDI = {}, message = {} } = changes
  const hidden = withCapacity ? [] : CAPACITY
  return {
    SR: dropEmpty(Object.entries(SR).map(([key, fields]) => [key, fields && without(fields, hidden)])),
    ...(PBD && { PBD }),
    VDI: Object.fromEntries(Object.entries(VDI).map(([key, fields]) => [key, fields && without(fields, ['ref'])])),
    message: Object.fromEntries(
      Object.values(message).map(fields => [String(fields?.['name']), fields && messageContract(fields)]),
    ),
  }
}

/** Pairs the disks that a step made here with those it made there: by chosen uuid, by answer, as parents of known ones, or as the only ones left. */
export function pairNewDisks(names: Names, recorded: Changes, ours: Changes): void {
  const made = (changes: Changes) =>
    new Map(Object.entries(changes['VDI'] ?? {}).filter(([key]) => key.startsWith('+')))
  const [there, here] = [made(recorded), made(ours)]
  for (const uuid of there.keys()) if (here.has(uuid)) names.pair(uuid.slice(1), uuid.slice(1))
  for (const [key, fields] of Object.entries(recorded['VDI'] ?? {})) {
    const twin = ours['VDI']?.[`${key.slice(0, 1)}${names.ourUuid(key.slice(1))}`]
    const [theirs, own] = [parentOf(fields), parentOf(twin)]
    if (theirs !== undefined && own !== undefined && here.has(`+${own}`)) names.pair(theirs, own)
  }
  const unpaired = [...there.keys()].filter(key => !names.isPaired(key.slice(1)))
  const left = [...here.keys()].filter(key => names.recordedUuid(key.slice(1)) === key.slice(1) && !there.has(key))
  const [one, another] = [unpaired[0], left[0]]
  if (unpaired.length === 1 && left.length === 1 && one !== undefined && another !== undefined) {
    names.pair(one.slice(1), another.slice(1))
  }
}

/** What is wrong with the SR's figures of its file system; `fileSystemSize` in bytes. */
export function capacityProblems(database: Database, srUuid: string, fileSystemSize: number): string[] {
  const { physical_size: size, physical_utilisation: used } = database.SR[srUuid] ?? {}
  const problems: string[] = []
  if (Number(size) !== fileSystemSize) problems.push(`physical_size ${String(size)} is not ${fileSystemSize}`)
  const plausible = Number(used) > 0 && Number(used) <= fileSystemSize
  return plausible ? problems : [...problems, `physical_utilisation ${String(used)} is impossible`]
}

function srFields(sr: Fields): Fields {
  return {
    other_config: sr['other_config'],
    sm_config: sr['sm_config'],
    virtual_allocation: String(sr['virtual_allocation']),
    physical_size: String(sr['physical_size']),
    physical_utilisation: String(sr['physical_utilisation']),
  }
}

function vdiFields(vdi: Fields, uuids: ReadonlyMap<string, string>, srUuid: string): Fields {
  const same = [
    ...(['uuid', 'name_label', 'name_description', 'type', 'read_only', 'managed', 'location', 'sm_config'] as const),
    ...(['other_config', 'is_a_snapshot', 'missing', 'cbt_enabled', 'metadata_of_pool'] as const),
  ]
  const source = uuids.get(String(vdi['snapshot_of']))
  return {
    ...Object.fromEntries(same.map(name => [name, vdi[name]])),
    virtual_size: String(vdi['virtual_size']),
    physical_utilisation: String(vdi['physical_utilisation']),
    snapshot_time: { dateTime: vdi['snapshot_time'] },
    ...(source === undefined ? {} : { snapshot_of: source }),
    SR: srUuid,
  }
}

function messageFields(message: Fields): Fields {
  const { name, priority, cls, obj_uuid, body } = message
  return { name, priority: String(priority), obj_class: cls, obj_uuid, body }
}

/** The detail of a body is compared, the words around it are everybody's own. */
function messageContract(fields: Fields): Fields {
  const detail = /\[opterr=.*\]/s.exec(String(fields['body']))?.[0]
  return { ...without(fields, ['timestamp']), body: detail }
}

function tableChanges(
  before: Readonly<Record<string, Fields>>,
  after: Readonly<Record<string, Fields>>,
): Record<string, Fields | null> {
  const changes: Record<string, Fields | null> = {}
  for (const key of Object.keys(before)) if (!(key in after)) changes[`-${key}`] = null
  for (const [key, fields] of Object.entries(after)) {
    const old = before[key]
    if (old === undefined) changes[`+${key}`] = fields
    else if (!same(old, fields)) changes[`~${key}`] = changedFields(old, fields)
  }
  return changes
}

/** Fields that differ; one that is no longer there is null. */
function changedFields(before: Fields, after: Fields): Fields {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)])
  const changed = [...keys].filter(key => !same(before[key], after[key]))
  return Object.fromEntries(changed.map(key => [key, after[key] ?? null]))
}

function same(one: unknown, other: unknown): boolean {
  return canonical(one) === canonical(other)
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    isObject(item) ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1))) : item,
  )
}

function parentOf(fields: Fields | null | undefined): string | undefined {
  const smConfig = fields?.['sm_config']
  const parent = isObject(smConfig) ? smConfig['vhd-parent'] : undefined
  return typeof parent === 'string' ? parent : undefined
}

function without(fields: Fields, names: readonly string[]): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)))
}

function dropEmpty(entries: readonly (readonly [string, Fields | null])[]): Record<string, Fields | null> {
  return Object.fromEntries(entries.filter(([, fields]) => fields === null || Object.keys(fields).length > 0))
}

async function record(box: Box, method: string, ref: string): Promise<Fields> {
  const value = await box.call(method, ref)
  if (!isObject(value)) throw new Error(`${method} did not answer a record`)
  return value
}

async function records(box: Box, className: string): Promise<[string, Fields][]> {
  const value = await box.call(`${className}.get_all_records`)
  if (!isObject(value)) throw new Error(`${className}.get_all_records did not answer records`)
  return Object.entries(value).filter((entry): entry is [string, Fields] => isObject(entry[1]))
}
