import { displayWidth, padEnd, padStart, printable } from './text.ts'

export interface Column<Row> {
  readonly title: string
  readonly value: (row: Row) => string
  readonly align?: 'right'
}

/** A table with a heading; a text for people, cells made safe for a terminal. Empty where there are no rows. */
export function renderTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  if (rows.length === 0) return ''
  const cells = rows.map(row => columns.map(column => printable(column.value(row))))
  const all = [columns.map(column => column.title), ...cells]
  const widths = columns.map((_, index) => Math.max(...all.map(line => displayWidth(line[index] ?? ''))))
  const pad = (cell: string, index: number) =>
    (columns[index]?.align === 'right' ? padStart : padEnd)(cell, widths[index] ?? 0)
  return all.map(line => `${line.map(pad).join('  ').trimEnd()}\n`).join('')
}

/** `name  value` lines, values aligned. */
export function renderFields(fields: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(0, ...fields.map(([name]) => displayWidth(printable(name))))
  return fields
    .map(([name, value]) => `${padEnd(printable(name), width)}  ${printable(value)}`.trimEnd() + '\n')
    .join('')
}
