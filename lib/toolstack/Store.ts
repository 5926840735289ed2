import { XapiError, type Ref } from '../xapi/XapiClient.ts'
import { defaultOf, isOfType, nullRef, type FieldValue } from './schema/field.ts'
import { classNames, definitionOf, type ClassName, type FieldName, type RecordOf } from './schema/schema.ts'

type AnyRecord = Readonly<Record<string, FieldValue>>

interface Row {
  record: AnyRecord
  /** Generations in which the row was made and last changed. */
  readonly created: number
  modified: number
}

/** A deleted object, as long as clients may not have heard of it. */
export interface Tombstone {
  readonly className: ClassName
  readonly ref: Ref
  readonly created: number
  readonly deleted: number
}

/** An object and when it changed. */
export interface Stamp {
  readonly ref: Ref
  readonly created: number
  readonly modified: number
}

/** The objects of a state file: class, reference, fields. */
export type StoredObjects = Readonly<Record<string, Readonly<Record<Ref, Readonly<Record<string, unknown>>>>>>

const maxTombstones = 10_000

/**
 * The database: objects of the schema's classes in memory (spec toolstack 4, 5.3). Every write counts the generation
 * up and stamps the row. Records are never changed in place, so what a reader has stays as it was.
 */
export class Store {
  readonly #tables = new Map<ClassName, Map<Ref, Row>>(classNames.map(name => [name, new Map()]))
  readonly #indexes = new Map<
    string,
    { readonly version: number; readonly refs: ReadonlyMap<string, readonly Ref[]> }
  >()
  readonly #versions = new Map<ClassName, number>()
  readonly #listeners = new Set<() => void>()
  readonly #newUuid: () => string
  #tombstones: Tombstone[] = []
  #generation: number
  #forgottenUntil = 0
  #durableVersion = 0

  constructor(newUuid: () => string, generation = 0) {
    this.#newUuid = newUuid
    this.#generation = generation
  }

  /** Counts every write. */
  get generation(): number {
    return this.#generation
  }

  /** Counts the writes that must reach the state file. */
  get durableVersion(): number {
    return this.#durableVersion
  }

  /** The last generation whose deletions are no longer known. */
  get forgottenUntil(): number {
    return this.#forgottenUntil
  }

  get tombstones(): readonly Tombstone[] {
    return this.#tombstones
  }

  /** Makes an object; fields that are not given get their defaults, the uuid a fresh one. */
  create<C extends ClassName>(className: C, fields: Partial<RecordOf<C>>): Ref {
    const record = complete(className, { uuid: this.#newUuid(), ...fields })
    const ref = `OpaqueRef:${this.#newUuid()}`
    const generation = this.#count(className)
    this.#table(className).set(ref, { record, created: generation, modified: generation })
    this.#announce()
    return ref
  }

  /** Sets fields of an object. Throws XapiError HANDLE_INVALID where there is none. */
  update<C extends ClassName>(className: C, ref: Ref, fields: Partial<RecordOf<C>>): void {
    const row = this.#row(className, ref)
    row.record = { ...row.record, ...(fields as AnyRecord) }
    row.modified = this.#count(className)
    this.#announce()
  }

  /** Removes an object; does nothing where there is none. */
  remove(className: ClassName, ref: Ref): void {
    const row = this.#table(className).get(ref)
    if (row === undefined) return
    this.#table(className).delete(ref)
    this.#tombstones.push({ className, ref, created: row.created, deleted: this.#count(className) })
    if (this.#tombstones.length > 2 * maxTombstones) this.#forgetTombstones()
    this.#announce()
  }

  has(className: ClassName, ref: Ref): boolean {
    return this.#table(className).has(ref)
  }

  /** The stored fields; derived ones have their defaults. Throws XapiError HANDLE_INVALID. */
  get<C extends ClassName>(className: C, ref: Ref): RecordOf<C> {
    return this.#row(className, ref).record as RecordOf<C>
  }

  /** The stored fields, or undefined where there is no such object. */
  find<C extends ClassName>(className: C, ref: Ref): RecordOf<C> | undefined {
    return this.#table(className).get(ref)?.record as RecordOf<C> | undefined
  }

  refs(className: ClassName): Ref[] {
    return [...this.#table(className).keys()]
  }

  stamps(className: ClassName): Stamp[] {
    return [...this.#table(className)].map(([ref, { created, modified }]) => ({ ref, created, modified }))
  }

  /** The objects of a class whose field has this value, e.g. the VDIs of an SR. Null refers to nothing. */
  where<C extends ClassName>(className: C, field: FieldName<C>, value: string): readonly Ref[] {
    if (value === nullRef) return []
    const key = `${className}.${field}`
    const version = this.#versions.get(className) ?? 0
    let index = this.#indexes.get(key)
    if (index?.version !== version) {
      index = { version, refs: indexOf(this.#table(className), field) }
      this.#indexes.set(key, index)
    }
    return index.refs.get(value) ?? []
  }

  /** Throws XapiError UUID_INVALID where no object of the class has the uuid. */
  byUuid(className: ClassName, uuid: string): Ref {
    const [ref] = this.where(className, 'uuid', uuid)
    if (ref === undefined) throw new XapiError('UUID_INVALID', [className, uuid])
    return ref
  }

  /** Calls back after every write until the returned function is called. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** What belongs in the state file. */
  durableObjects(): StoredObjects {
    const durable = classNames.filter(name => !definitionOf(name).transient)
    return Object.fromEntries(
      durable.map(name => [
        name,
        Object.fromEntries([...this.#table(name)].map(([ref, row]) => [ref, storedFields(name, row.record)])),
      ]),
    )
  }

  /** Takes over the objects of a state file. What was in progress when it was written is no longer. */
  load(objects: StoredObjects): void {
    for (const name of classNames) {
      if (definitionOf(name).transient) continue
      for (const [ref, fields] of Object.entries(objects[name] ?? {})) {
        const record = complete(name, { ...fields, current_operations: {} })
        this.#table(name).set(ref, { record, created: this.#generation, modified: this.#generation })
      }
    }
  }

  #table(className: ClassName): Map<Ref, Row> {
    const table = this.#tables.get(className)
    if (table === undefined) throw new TypeError(`no class ${className}`)
    return table
  }

  #row(className: ClassName, ref: Ref): Row {
    const row = this.#table(className).get(ref)
    if (row === undefined) throw new XapiError('HANDLE_INVALID', [className, ref])
    return row
  }

  #count(className: ClassName): number {
    this.#generation += 1
    this.#versions.set(className, (this.#versions.get(className) ?? 0) + 1)
    if (!definitionOf(className).transient) this.#durableVersion += 1
    return this.#generation
  }

  #forgetTombstones(): void {
    this.#forgottenUntil = this.#tombstones.at(-maxTombstones - 1)?.deleted ?? this.#forgottenUntil
    this.#tombstones = this.#tombstones.slice(-maxTombstones)
  }

  #announce(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}

/** All fields of the class in its order; a value of a wrong type counts as not given. */
function complete(className: ClassName, given: Readonly<Record<string, unknown>>): AnyRecord {
  const fields = Object.entries(definitionOf(className).fields)
  return Object.fromEntries(
    fields.map(([name, type]) => [name, isOfType(given[name], type) ? given[name] : defaultOf(type)]),
  )
}

function storedFields(className: ClassName, record: AnyRecord): AnyRecord {
  const { derived } = definitionOf(className)
  const passing = new Set<string>([...derived, 'current_operations'])
  return Object.fromEntries(Object.entries(record).filter(([name]) => !passing.has(name)))
}

function indexOf(table: ReadonlyMap<Ref, Row>, field: string): Map<string, Ref[]> {
  const refs = new Map<string, Ref[]>()
  for (const [ref, { record }] of table) {
    const value = record[field]
    if (typeof value !== 'string') continue
    const same = refs.get(value)
    if (same === undefined) refs.set(value, [ref])
    else same.push(ref)
  }
  return refs
}
