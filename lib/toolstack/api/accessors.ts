import { XapiError, type Ref } from '../../xapi/XapiClient.ts'
import type { Call } from '../Call.ts'
import { viewField, viewRecord } from '../derived.ts'
import { withoutKey } from '../maps.ts'
import { nullRef, type FieldType, type FieldValue } from '../schema/field.ts'
import { classNames, definitionOf, fieldTypeOf, isClassName, type ClassName } from '../schema/schema.ts'
import { compileExpression } from './expression.ts'
import { requireLabels } from './labels.ts'
import { method, type ApiMethod } from './method.ts'

const byNameLabel: ReadonlySet<string> = new Set(['host', 'VM', 'VDI', 'SR'])

/** Makes the accessor of that name, e.g. `VDI.get_uuid` (spec toolstack 4); undefined where there is none. */
export function accessor(name: string): ApiMethod | undefined {
  const [className = '', verb = '', ...rest] = name.split('.')
  if (!isClassName(className) || rest.length > 0) return undefined
  return wholeObjects(className, verb) ?? getter(className, verb) ?? setter(className, verb)
}

/** Names of all accessors. */
export function accessorNames(): string[] {
  return classNames.flatMap(className => verbsOf(className).map(verb => `${className}.${verb}`))
}

function verbsOf(className: ClassName): string[] {
  const { fields } = definitionOf(className)
  const verbs = Object.keys(fields).flatMap(field => [
    `get_${field}`,
    `set_${field}`,
    `add_to_${field}`,
    `remove_from_${field}`,
    `add_${field}`,
    `remove_${field}`,
  ])
  const whole = [
    'get_all',
    'get_all_records',
    'get_all_records_where',
    'get_by_uuid',
    'get_by_name_label',
    'get_record',
  ]
  return [...whole, ...verbs].filter(verb => accessor(`${className}.${verb}`) !== undefined)
}

const plain = { hasAsync: false }

function wholeObjects(className: ClassName, verb: string): ApiMethod | undefined {
  const name = `${className}.${verb}`
  const { listed } = definitionOf(className)
  if (verb === 'get_record') {
    const result = { record: className }
    return method(
      [name, { self: 'ref' }, result],
      (call, { self }) => viewRecord(storeOf(call), className, self),
      plain,
    )
  }
  if (verb === 'get_by_uuid') {
    return method([name, { uuid: 'string' }, 'ref'], (call, { uuid }) => storeOf(call).byUuid(className, uuid), plain)
  }
  if (!listed) return undefined
  if (verb === 'get_all') return method([name, {}, 'refs'], call => storeOf(call).refs(className), plain)
  const records = { mapOf: { record: className } } as const
  if (verb === 'get_all_records')
    return method([name, {}, records], call => recordsWhere(call, className, 'true'), plain)
  if (verb === 'get_all_records_where') {
    return method([name, { expr: 'string' }, records], (call, { expr }) => recordsWhere(call, className, expr), plain)
  }
  if (verb === 'get_by_name_label' && byNameLabel.has(className)) {
    return method([name, { label: 'string' }, 'refs'], (call, { label }) => withLabel(call, className, label), plain)
  }
  return undefined
}

function recordsWhere(call: Call, className: ClassName, expression: string): Record<Ref, unknown> {
  const store = storeOf(call)
  const matches = compileExpression(expression)
  const found = store.refs(className).filter(ref => matches(field => fieldText(call, className, ref, field)))
  return Object.fromEntries(found.map(ref => [ref, viewRecord(store, className, ref)]))
}

/** Sets and maps are never equal to a text. */
function fieldText(call: Call, className: ClassName, ref: Ref, field: string): string | undefined {
  if (fieldTypeOf(className, field) === undefined) return undefined
  const value = viewField(storeOf(call), className, ref, field)
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function withLabel(call: Call, className: ClassName, label: string): Ref[] {
  const store = storeOf(call)
  return store.refs(className).filter(ref => viewField(store, className, ref, 'name_label') === label)
}

function getter(className: ClassName, verb: string): ApiMethod | undefined {
  if (!verb.startsWith('get_')) return undefined
  const field = verb.slice('get_'.length)
  const type = fieldTypeOf(className, field)
  if (type === undefined) return undefined
  const name = `${className}.${verb}`
  return method(
    [name, { self: 'ref' }, type],
    (call, { self }) => viewField(storeOf(call), className, self, field),
    plain,
  )
}

/** `set_`, and for maps and sets the verbs that change one entry. */
function setter(className: ClassName, verb: string): ApiMethod | undefined {
  const match = /^(set|add_to|remove_from|add|remove)_(.+)$/.exec(verb)
  const [, action, field] = match ?? []
  const type = field === undefined ? undefined : fieldTypeOf(className, field)
  if (action === undefined || field === undefined || type === undefined) return undefined
  const { writable, smOnly } = definitionOf(className)
  const isSmOnly = smOnly.includes(field)
  if (!isSmOnly && !writable.includes(field)) return undefined
  return change({ className, field, type, isSmOnly }, action, `${className}.${verb}`)
}

interface Target {
  readonly className: ClassName
  readonly field: string
  readonly type: FieldType
  readonly isSmOnly: boolean
}

function change(target: Target, action: string, name: string): ApiMethod | undefined {
  const { className, field, type } = target
  if (action === 'set') {
    return method(
      [name, { self: 'ref', value: type }, 'void'],
      (call, { self, value }) => {
        if (typeof value === 'string' && isLabel(target)) requireLabels({ [field]: value })
        write(call, target, self, value)
      },
      plain,
    )
  }
  if (type === 'map' && action === 'add_to') {
    return method(
      [name, { self: 'ref', key: 'string', value: 'string' }, 'void'],
      (call, { self, key, value }) => {
        const map = mapOf(call, target, self)
        if (Object.hasOwn(map, key)) throw new XapiError('MAP_DUPLICATE_KEY', [className, field, self, key])
        write(call, target, self, { ...map, [key]: value })
      },
      plain,
    )
  }
  if (type === 'map' && action === 'remove_from') {
    return method(
      [name, { self: 'ref', key: 'string' }, 'void'],
      (call, { self, key }) => {
        const map = mapOf(call, target, self)
        if (Object.hasOwn(map, key)) write(call, target, self, withoutKey(map, key))
      },
      plain,
    )
  }
  if (type === 'strings' && (action === 'add' || action === 'remove')) {
    return method(
      [name, { self: 'ref', value: 'string' }, 'void'],
      (call, { self, value }) => {
        const others = listOf(call, target, self).filter(item => item !== value)
        write(call, target, self, action === 'add' ? [...others, value] : others)
      },
      plain,
    )
  }
  return undefined
}

function write(call: Call, { className, field, isSmOnly }: Target, ref: Ref, value: FieldValue): void {
  if (isSmOnly) call.requireSmSession(storageOf(call, className, ref))
  storeOf(call).update(className, ref, { [field]: value })
}

/** Drivers are told the names of disks and SRs. */
function isLabel({ className, field }: Target): boolean {
  return (className === 'VDI' || className === 'SR') && (field === 'name_label' || field === 'name_description')
}

/** The SR whose plugin may change an object's protected fields. */
function storageOf(call: Call, className: ClassName, ref: Ref): Ref {
  if (className === 'SR') return ref
  return className === 'VDI' || className === 'PBD' ? storeOf(call).get(className, ref).SR : nullRef
}

function mapOf(call: Call, { className, field }: Target, ref: Ref): Readonly<Record<string, string>> {
  return viewField(storeOf(call), className, ref, field) as Readonly<Record<string, string>>
}

function listOf(call: Call, { className, field }: Target, ref: Ref): readonly string[] {
  return viewField(storeOf(call), className, ref, field) as readonly string[]
}

function storeOf(call: Call) {
  return call.services.store
}
