import type { ClassDefinition, FieldType, ValueOf } from './field.ts'
import { host, host_metrics, message, pool, secret, session, task } from './host.ts'
import { network, VIF } from './network.ts'
import { PBD, SM, SR, VBD, VDI } from './storage.ts'
import { VM } from './vm.ts'

/** Every class of object that the toolstack knows (spec toolstack 4). */
export const schema = {
  session,
  pool,
  host,
  host_metrics,
  SM,
  SR,
  PBD,
  VDI,
  VBD,
  VM,
  VIF,
  network,
  task,
  message,
  secret,
}

export type ClassName = keyof typeof schema

/** The record of a class, with the types of its fields. */
export type RecordOf<C extends ClassName> = {
  readonly [F in keyof (typeof schema)[C]['fields']]: (typeof schema)[C]['fields'][F] extends FieldType
    ? ValueOf<(typeof schema)[C]['fields'][F]>
    : never
}

export type FieldName<C extends ClassName> = keyof RecordOf<C> & string

export const classNames = Object.keys(schema) as readonly ClassName[]

export function isClassName(name: string): name is ClassName {
  return Object.hasOwn(schema, name)
}

/** The definition of a class whose name is known only at run time. */
export function definitionOf(className: ClassName): ClassDefinition {
  return schema[className] as unknown as ClassDefinition
}

/** The type of a field; undefined where the class has no such field. */
export function fieldTypeOf(className: ClassName, field: string): FieldType | undefined {
  const { fields } = definitionOf(className)
  return Object.hasOwn(fields, field) ? fields[field] : undefined
}
