import { isObject } from '../lib/xapi/protocol.ts'
import type { Ref } from '../lib/xapi/XapiClient.ts'
import type { AnyRecord, Tables } from './Tables.ts'

/** Who may write a field, and whether it holds one value (` `), a set (S) or a map (M). */
export type Access = ' RO' | ' RW' | 'SRO' | 'SRW' | 'MRO' | 'MRW'

/** What a field holds, ready to be printed. */
export type Value = string | readonly string[] | Readonly<Record<string, string>>

/** A field of a record as the command line shows it. */
export interface Field {
  readonly name: string
  readonly access: Access
  /** The field's name in XenAPI, for those that can be set. */
  readonly field: string
  read(record: AnyRecord, tables: Tables): Value | Promise<Value>
}

/** A class of objects as the command line lists it. */
export interface ListedClass {
  /** In the commands' names, e.g. `vdi` of `vdi-list`. */
  readonly prefix: string
  readonly className: string
  readonly fields: readonly Field[]
  /** Fields that are shown where none are asked for. */
  readonly columns: readonly string[]
  /** Which objects are listed; default all. */
  shows?(record: AnyRecord): boolean
}

const missing = '<not in database>'

export function text(name: string, access: Access = ' RO', field = name.replaceAll('-', '_')): Field {
  return { name, access, field, read: record => asText(record[field]) }
}

export function set(name: string, access: Access = 'SRO', field = name.replaceAll('-', '_')): Field {
  return { name, access, field, read: record => asList(record[field]) }
}

export function map(name: string, access: Access = 'MRO', field = name.replaceAll('-', '_')): Field {
  return { name, access, field, read: record => asMap(record[field]) }
}

/** A reference, shown as the uuid of its object, or as another field of it. */
export function reference(name: string, [field, className, shown = 'uuid']: readonly [string, string, string?]): Field {
  return {
    name,
    access: ' RO',
    field,
    read: async (record, tables) => {
      const target = await tables.find(className, record[field])
      return target === undefined ? missing : asText(target[shown])
    },
  }
}

export function references(name: string, [field, className]: readonly [string, string]): Field {
  return {
    name,
    access: 'SRO',
    field,
    read: async (record, tables) => {
      const table = await tables.all(className)
      return asList(record[field]).flatMap((ref: Ref) => {
        const target = table.get(ref)
        return target === undefined ? [] : [asText(target['uuid'])]
      })
    },
  }
}

/** Operations in progress, without the tasks that run them. */
export function operations(name: string): Field {
  const field = name.replaceAll('-', '_')
  return { name, access: 'SRO', field, read: record => Object.values(asMap(record[field])) }
}

function asText(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : ''
}

function asList(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(asText) : []
}

function asMap(value: unknown): Readonly<Record<string, string>> {
  if (!isObject(value)) return {}
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, asText(item)]))
}
