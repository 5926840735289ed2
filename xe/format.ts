import { printable } from '../cli/format/text.ts'
import type { Access, Value } from './fields.ts'

/** A field of one record, ready to be printed. */
export interface Shown {
  readonly name: string
  readonly access: Access
  readonly value: Value
}

/**
 * One record as `xe` prints it: the first name is padded on its right, the others on their left, all to the width of
 * the longest and four more; an empty line ends the record (spec toolstack 13).
 */
export function formatRecord(fields: readonly Shown[]): string {
  const names = fields.map(({ name, access }) => `${name} (${access})`)
  const width = 4 + Math.max(0, ...names.map(name => name.length))
  const lines = fields.map(({ value }, index) => {
    const name = names[index] ?? ''
    return `${index === 0 ? name.padEnd(width) : name.padStart(width)}: ${formatValue(value)}\n`
  })
  return `${lines.join('')}\n`
}

/** Maps as `k: v; k: v`, sets as `a; b`. */
export function formatValue(value: Value): string {
  if (typeof value === 'string') return printable(value)
  if (isList(value)) return printable(value.join('; '))
  return printable(
    Object.entries(value)
      .map(([key, item]) => `${key}: ${item}`)
      .join('; '),
  )
}

/** Values in one line for scripts, separated by commas; a comma or backslash in a value gets a backslash. */
export function formatMinimal(values: readonly Value[]): string {
  return values.map(value => formatValue(value).replace(/[\\,]/g, '\\$&')).join(',')
}

function isList(value: Exclude<Value, string>): value is readonly string[] {
  return Array.isArray(value)
}
