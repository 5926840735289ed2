import { toBoolean, toInteger, toMap, toObject, toText, toTexts } from './normalise.ts'
import type { Ref, StringMap } from './XapiClient.ts'

export const nullRef: Ref = 'OpaqueRef:NULL'

/** The date XenAPI shows for "never". */
export const epoch = '19700101T00:00:00Z'

/** Fields of records as SM uses them, under XenAPI's own names. Sizes are bytes, dates `YYYYMMDDTHH:MM:SSZ`. */
export interface VdiRecord {
  readonly uuid: string
  readonly location: string
  readonly name_label: string
  readonly name_description: string
  readonly SR: Ref
  readonly type: string
  readonly virtual_size: number
  readonly physical_utilisation: number
  readonly sharable: boolean
  readonly read_only: boolean
  readonly managed: boolean
  readonly missing: boolean
  readonly is_a_snapshot: boolean
  readonly snapshot_of: Ref
  readonly snapshot_time: string
  readonly metadata_of_pool: Ref
  readonly on_boot: string
  readonly allow_caching: boolean
  readonly cbt_enabled: boolean
  readonly sm_config: StringMap
  readonly other_config: StringMap
}

export interface SrRecord {
  readonly uuid: string
  readonly name_label: string
  readonly name_description: string
  readonly type: string
  readonly shared: boolean
  readonly PBDs: readonly Ref[]
  readonly VDIs: readonly Ref[]
  readonly virtual_allocation: number
  readonly physical_size: number
  readonly physical_utilisation: number
  readonly sm_config: StringMap
  readonly other_config: StringMap
}

export interface PbdRecord {
  readonly uuid: string
  readonly host: Ref
  readonly SR: Ref
  readonly device_config: StringMap
  readonly currently_attached: boolean
  readonly other_config: StringMap
}

export interface VbdRecord {
  readonly uuid: string
  readonly VM: Ref
  readonly VDI: Ref
  readonly mode: string
  readonly currently_attached: boolean
}

export interface HostRecord {
  readonly uuid: string
  readonly name_label: string
  readonly enabled: boolean
  readonly metrics: Ref
  readonly other_config: StringMap
}

export function vdiRecord(value: unknown): VdiRecord {
  const fields = new Fields('VDI', value)
  return {
    uuid: fields.text('uuid'),
    location: fields.text('location'),
    name_label: fields.text('name_label', ''),
    name_description: fields.text('name_description', ''),
    SR: fields.text('SR'),
    type: fields.text('type', 'user'),
    virtual_size: fields.integer('virtual_size'),
    physical_utilisation: fields.integer('physical_utilisation', 0),
    sharable: fields.boolean('sharable', false),
    read_only: fields.boolean('read_only', false),
    managed: fields.boolean('managed'),
    missing: fields.boolean('missing', false),
    is_a_snapshot: fields.boolean('is_a_snapshot', false),
    snapshot_of: fields.text('snapshot_of', nullRef),
    snapshot_time: fields.text('snapshot_time', epoch),
    metadata_of_pool: fields.text('metadata_of_pool', nullRef),
    on_boot: fields.text('on_boot', 'persist'),
    allow_caching: fields.boolean('allow_caching', false),
    cbt_enabled: fields.boolean('cbt_enabled', false),
    sm_config: fields.map('sm_config', {}),
    other_config: fields.map('other_config', {}),
  }
}

export function srRecord(value: unknown): SrRecord {
  const fields = new Fields('SR', value)
  return {
    uuid: fields.text('uuid'),
    name_label: fields.text('name_label', ''),
    name_description: fields.text('name_description', ''),
    type: fields.text('type'),
    shared: fields.boolean('shared', false),
    PBDs: fields.texts('PBDs', []),
    VDIs: fields.texts('VDIs', []),
    virtual_allocation: fields.integer('virtual_allocation', 0),
    physical_size: fields.integer('physical_size', 0),
    physical_utilisation: fields.integer('physical_utilisation', 0),
    sm_config: fields.map('sm_config', {}),
    other_config: fields.map('other_config', {}),
  }
}

export function pbdRecord(value: unknown): PbdRecord {
  const fields = new Fields('PBD', value)
  return {
    uuid: fields.text('uuid'),
    host: fields.text('host'),
    SR: fields.text('SR'),
    device_config: fields.map('device_config'),
    currently_attached: fields.boolean('currently_attached'),
    other_config: fields.map('other_config', {}),
  }
}

export function vbdRecord(value: unknown): VbdRecord {
  const fields = new Fields('VBD', value)
  return {
    uuid: fields.text('uuid'),
    VM: fields.text('VM'),
    VDI: fields.text('VDI'),
    mode: fields.text('mode', 'RW'),
    currently_attached: fields.boolean('currently_attached'),
  }
}

export function hostRecord(value: unknown): HostRecord {
  const fields = new Fields('host', value)
  return {
    uuid: fields.text('uuid'),
    name_label: fields.text('name_label', ''),
    enabled: fields.boolean('enabled', true),
    metrics: fields.text('metrics', nullRef),
    other_config: fields.map('other_config', {}),
  }
}

/**
 * The fields of a record. Servers of other versions do not send all of them: where a value for its absence is given, that is the one
 * xapi gives a field that nobody has set.
 */
class Fields {
  readonly #className: string
  readonly #values: Readonly<Record<string, unknown>>

  constructor(className: string, value: unknown) {
    this.#className = className
    this.#values = toObject(value, `${className} record`)
  }

  text(name: string, absent?: string): string {
    return toText(this.#values[name] ?? absent, `${this.#className}.${name}`)
  }

  texts(name: string, absent?: readonly string[]): readonly string[] {
    return toTexts(this.#values[name] ?? absent, `${this.#className}.${name}`)
  }

  boolean(name: string, absent?: boolean): boolean {
    return toBoolean(this.#values[name] ?? absent, `${this.#className}.${name}`)
  }

  integer(name: string, absent?: number): number {
    return toInteger(this.#values[name] ?? absent, `${this.#className}.${name}`)
  }

  map(name: string, absent?: StringMap): StringMap {
    return toMap(this.#values[name] ?? absent, `${this.#className}.${name}`)
  }
}
