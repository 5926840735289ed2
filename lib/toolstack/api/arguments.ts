import { XapiError } from '../../xapi/XapiClient.ts'
import { isObject } from '../../xapi/protocol.ts'
import { nullRef } from '../schema/field.ts'
import type { ArgumentOf, ParamType } from './types.ts'

/**
 * Reads a parameter as clients write it: integers as numbers or decimal strings, an empty string for the null
 * reference (spec toolstack 3). Throws XapiError FIELD_TYPE_ERROR with the parameter's name.
 */
export function readArgument<T extends ParamType>(name: string, value: unknown, type: T): ArgumentOf<T> {
  const argument = converters[type](value)
  if (argument === undefined) throw new XapiError('FIELD_TYPE_ERROR', [name])
  return argument as ArgumentOf<T>
}

/** Reads a member of a struct; an absent one is the fallback, or FIELD_TYPE_ERROR where there is none. */
export function readMember<T extends ParamType>(
  struct: Readonly<Record<string, unknown>>,
  name: string,
  type: T,
  fallback?: ArgumentOf<T>,
): ArgumentOf<T> {
  const value = Object.hasOwn(struct, name) ? struct[name] : undefined
  return value === undefined && fallback !== undefined ? fallback : readArgument(name, value, type)
}

const converters: Readonly<Record<ParamType, (value: unknown) => unknown>> = {
  string: text,
  datetime: text,
  ref: value => (value === '' ? nullRef : text(value)),
  int: integer,
  float: value => (typeof value === 'string' && value.trim() !== '' ? finite(Number(value)) : finite(value)),
  bool: value => (typeof value === 'boolean' ? value : undefined),
  strings: list,
  refs: list,
  map: value => mapOf(value, text),
  intMap: value => mapOf(value, integer),
  struct: value => (isObject(value) ? value : undefined),
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function integer(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value
  return Number.isSafeInteger(number) ? (number as number) : undefined
}

function finite(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

function list(value: unknown): string[] | undefined {
  return Array.isArray(value) && value.every(item => typeof item === 'string') ? value : undefined
}

function mapOf<T>(value: unknown, convert: (item: unknown) => T | undefined): Record<string, T> | undefined {
  if (!isObject(value)) return undefined
  const entries = Object.entries(value).map(([key, item]) => [key, convert(item)] as const)
  if (entries.some(([, item]) => item === undefined)) return undefined
  return Object.fromEntries(entries) as Record<string, T>
}
