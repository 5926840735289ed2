import type { FieldType, ValueOf } from '../schema/field.ts'
import type { ClassName } from '../schema/schema.ts'

/** Types of parameters: those of fields, and records that are not complete. */
export type ParamType = FieldType | 'struct'

/** What a handler is given for a parameter. */
export type ArgumentOf<T extends ParamType> = T extends FieldType
  ? ValueOf<T>
  : T extends 'struct'
    ? Readonly<Record<string, unknown>>
    : never

/** Types of results; they decide how a value is written in XML-RPC (spec toolstack 3). */
export type ResultType =
  | FieldType
  | 'void'
  /** A real 32-bit integer, where all others are strings. */
  | 'int32'
  /** The value brings its own type along, as `Typed`. */
  | 'typed'
  | { readonly record: ClassName }
  | { readonly mapOf: ResultType }
  | { readonly listOf: ResultType }
  | { readonly struct: Readonly<Record<string, ResultType>> }

/** A value of a type that is known only when it is made, e.g. the snapshot in an event. */
export class Typed {
  readonly type: ResultType
  readonly value: unknown

  constructor(type: ResultType, value: unknown) {
    this.type = type
    this.value = value
  }
}
