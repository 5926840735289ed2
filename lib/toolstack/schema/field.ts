/** Types of fields (spec toolstack 3). Dates are `YYYYMMDDTHH:MM:SSZ`; sets are arrays; maps have string keys. */
export type FieldType = 'string' | 'int' | 'float' | 'bool' | 'datetime' | 'ref' | 'strings' | 'refs' | 'map' | 'intMap'

export type ValueOf<T extends FieldType> = T extends 'string' | 'ref' | 'datetime'
  ? string
  : T extends 'int' | 'float'
    ? number
    : T extends 'bool'
      ? boolean
      : T extends 'strings' | 'refs'
        ? readonly string[]
        : T extends 'map'
          ? Readonly<Record<string, string>>
          : T extends 'intMap'
            ? Readonly<Record<string, number>>
            : never

export type FieldValue = ValueOf<FieldType>

export interface ClassDefinition<F extends Readonly<Record<string, FieldType>> = Readonly<Record<string, FieldType>>> {
  /** Fields in the order in which records show them. */
  readonly fields: F
  /** Fields that any session may set, add to and remove from. */
  readonly writable: readonly (keyof F & string)[]
  /** Fields that only an SM session of the object's SR may set (spec smapi 9.1). */
  readonly smOnly: readonly (keyof F & string)[]
  /** Fields that are computed from other objects and never stored. */
  readonly derived: readonly (keyof F & string)[]
  /** Objects that end with the process: they are not written to the state file. */
  readonly transient: boolean
  /** Whether clients may list the objects. Session references are credentials, so sessions may not be listed. */
  readonly listed: boolean
}

/** Completes a definition with what most classes have. */
export function defineClass<const F extends Readonly<Record<string, FieldType>>>(
  fields: F,
  options: Partial<Omit<ClassDefinition<F>, 'fields'>> = {},
): ClassDefinition<F> {
  return { fields, writable: [], smOnly: [], derived: [], transient: false, listed: true, ...options }
}

export const nullRef = 'OpaqueRef:NULL'

export const epoch = '19700101T00:00:00Z'

const defaults: Readonly<Record<FieldType, FieldValue>> = {
  string: '',
  int: 0,
  float: 0,
  bool: false,
  datetime: epoch,
  ref: nullRef,
  strings: [],
  refs: [],
  map: {},
  intMap: {},
}

/** What a field holds when nobody has given it a value. */
export function defaultOf(type: FieldType): FieldValue {
  return defaults[type]
}

/** Whether a value is of a field's type, e.g. when it comes from a file. */
export function isOfType(value: unknown, type: FieldType): value is FieldValue {
  switch (type) {
    case 'string':
    case 'ref':
    case 'datetime':
      return typeof value === 'string'
    case 'int':
      return Number.isSafeInteger(value)
    case 'float':
      return typeof value === 'number' && Number.isFinite(value)
    case 'bool':
      return typeof value === 'boolean'
    case 'strings':
    case 'refs':
      return Array.isArray(value) && value.every(item => typeof item === 'string')
    case 'map':
      return isMapOf(value, item => typeof item === 'string')
    case 'intMap':
      return isMapOf(value, item => Number.isSafeInteger(item))
  }
}

function isMapOf(value: unknown, test: (item: unknown) => boolean): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(test)
}
