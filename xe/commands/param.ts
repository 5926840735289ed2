import { byUuid, type Command, type Xe } from '../Command.ts'
import { XeError } from '../failures.ts'
import type { Field, ListedClass } from '../fields.ts'
import { formatRecord, formatValue } from '../format.ts'
import type { AnyRecord } from '../Tables.ts'
import { fieldNamed } from './list.ts'

/** `CLASS-param-list`, `-get`, `-set`, `-add`, `-remove`, `-clear`. */
export function paramCommands(listed: ListedClass): readonly (readonly [string, Command])[] {
  const { prefix } = listed
  const command = (verb: string, usage: string, run: (xe: Xe) => Promise<void>) =>
    [`${prefix}-param-${verb}`, { usage: `${prefix}-param-${verb} uuid=UUID ${usage}`.trim(), run }] as const
  return [
    command('list', '', xe => paramList(xe, listed)),
    command('get', 'param-name=FIELD [param-key=KEY]', xe => paramGet(xe, listed)),
    command('set', 'FIELD=VALUE ... FIELD:KEY=VALUE ...', xe => paramSet(xe, listed)),
    command('add', 'param-name=FIELD KEY=VALUE ... | param-key=VALUE', xe => paramAdd(xe, listed)),
    command('remove', 'param-name=FIELD param-key=KEY', xe => paramRemove(xe, listed)),
    command('clear', 'param-name=FIELD', xe => paramClear(xe, listed)),
  ]
}

async function recordOf(xe: Xe, { className }: ListedClass): Promise<AnyRecord> {
  const ref = await byUuid(xe, className, xe.params.text('uuid'))
  const record = await xe.tables.find(className, ref)
  if (record === undefined) throw new XeError('The object is gone')
  return record
}

async function paramList(xe: Xe, listed: ListedClass): Promise<void> {
  const record = await recordOf(xe, listed)
  const shown = listed.fields.map(async field => ({ ...field, value: await field.read(record, xe.tables) }))
  await xe.out(formatRecord(await Promise.all(shown)).replace(/\n$/, ''))
}

async function paramGet(xe: Xe, listed: ListedClass): Promise<void> {
  const field = fieldNamed(listed, xe.params.text('param-name'))
  const value = await field.read(await recordOf(xe, listed), xe.tables)
  const key = xe.params.find('param-key')
  if (key === undefined) {
    await xe.out(formatValue(value))
    return
  }
  const isMap = typeof value === 'object' && !Array.isArray(value)
  const entry = isMap ? (value as Readonly<Record<string, string>>)[key] : undefined
  if (entry === undefined) throw new XeError(`Error: Key ${key} not found in map`)
  await xe.out(formatValue(entry))
}

async function paramSet(xe: Xe, listed: ListedClass): Promise<void> {
  const ref = await byUuid(xe, listed.className, xe.params.text('uuid'))
  for (const [key, value] of xe.params.pairs) {
    if (key === 'uuid') continue
    const [name, entry] = splitKey(key)
    const field = writable(listed, name)
    if (entry === undefined) await setWhole(xe, listed, { ref, field, value })
    else {
      await xe.caller.call(`${listed.className}.remove_from_${field.field}`, ref, entry)
      await xe.caller.call(`${listed.className}.add_to_${field.field}`, ref, entry, value)
    }
  }
}

interface Setting {
  readonly ref: string
  readonly field: Field
  readonly value: string
}

/** Booleans travel as such; what else there is to set are texts. */
async function setWhole({ caller }: Xe, { className }: ListedClass, { ref, field, value }: Setting): Promise<void> {
  if (field.access !== ' RW') throw new XeError(`${field.name} holds several values: use param-add and param-remove`)
  const isBoolean = ['allow-caching', 'is-a-template', 'bootable', 'unpluggable'].includes(field.name)
  if (isBoolean && !/^(true|false)$/.test(value)) throw new XeError(`${field.name} is true or false`)
  await caller.call(`${className}.set_${field.field}`, ref, isBoolean ? value === 'true' : value)
}

async function paramAdd(xe: Xe, listed: ListedClass): Promise<void> {
  const { params, caller } = xe
  const ref = await byUuid(xe, listed.className, params.text('uuid'))
  const field = writable(listed, params.text('param-name'))
  if (field.access === 'SRW') {
    await caller.call(`${listed.className}.add_${field.field}`, ref, params.text('param-key'))
    return
  }
  for (const [key, value] of params.pairs) {
    if (key === 'uuid' || key === 'param-name') continue
    await caller.call(`${listed.className}.add_to_${field.field}`, ref, key, value)
  }
}

async function paramRemove(xe: Xe, listed: ListedClass): Promise<void> {
  const { params, caller } = xe
  const ref = await byUuid(xe, listed.className, params.text('uuid'))
  const field = writable(listed, params.text('param-name'))
  const verb = field.access === 'SRW' ? 'remove' : 'remove_from'
  await caller.call(`${listed.className}.${verb}_${field.field}`, ref, params.text('param-key'))
}

async function paramClear(xe: Xe, listed: ListedClass): Promise<void> {
  const ref = await byUuid(xe, listed.className, xe.params.text('uuid'))
  const field = writable(listed, xe.params.text('param-name'))
  const empty = field.access === 'SRW' ? [] : field.access === 'MRW' ? {} : ''
  await xe.caller.call(`${listed.className}.set_${field.field}`, ref, empty)
}

function writable(listed: ListedClass, name: string): Field {
  const field = fieldNamed(listed, name)
  if (!field.access.endsWith('RW')) throw new XeError(`${name} cannot be changed`)
  return field
}

function splitKey(key: string): [string, string?] {
  const at = key.indexOf(':')
  return at === -1 ? [key] : [key.slice(0, at), key.slice(at + 1)]
}
