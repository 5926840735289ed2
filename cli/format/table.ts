import { displayWidth, padEnd, padStart, printable, shorten } from './text.ts'

export interface Column<Row> {
  readonly title: string
  readonly value: (row: Row) => string
  readonly align?: 'right'
  /** Its texts may be cut where the table is wider than the terminal. */
  readonly mayShrink?: true
}

const GAP = '  '
/** Columns of a terminal that a text keeps. */
const SHORTEST = 16

/**
 * A table with a heading; a text for people, cells made safe for a terminal. Empty where there are no rows. `width`: columns
 * of the terminal, where it is for one.
 */
export function renderTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width = Infinity): string {
  if (rows.length === 0) return ''
  const cells = rows.map(row => columns.map(column => printable(column.value(row))))
  const all = [columns.map(column => column.title), ...cells]
  const natural = columns.map((_, index) => Math.max(...all.map(line => displayWidth(line[index] ?? ''))))
  const tooWide = natural.reduce((sum, column) => sum + column + GAP.length, -GAP.length) - width
  const widths = natural.map((column, index) =>
    columns[index]?.mayShrink === true && tooWide > 0 ? Math.max(Math.min(column, SHORTEST), column - tooWide) : column,
  )
  const fit = (cell: string, index: number) =>
    (columns[index]?.align === 'right' ? padStart : padEnd)(shorten(cell, widths[index] ?? 0), widths[index] ?? 0)
  return all.map(line => `${line.map(fit).join(GAP).trimEnd()}\n`).join('')
}

/** `name  value` lines, values aligned. */
export function renderFields(fields: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(0, ...fields.map(([name]) => displayWidth(printable(name))))
  return fields
    .map(([name, value]) => `${padEnd(printable(name), width)}  ${printable(value)}`.trimEnd() + '\n')
    .join('')
}
