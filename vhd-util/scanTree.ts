import { rowLine, type ScanRow } from './scanRow.ts'

const MISSING = ' (not found in scan)'

/**
 * The rows as a forest, children indented below their parents (spec vhd 7.13 `-p`): for each row in order the tree it
 * belongs to, unless that has been shown.
 */
export function treeLines(rows: readonly ScanRow[], verbose: boolean): string[] {
  const known = new Map(rows.map(row => [row.target.key, row]))
  const parentOf = (row: ScanRow): ScanRow | undefined => known.get(row.parent?.target?.key ?? '')
  const children = new Map<ScanRow, ScanRow[]>()
  for (const row of rows) {
    const parent = parentOf(row)
    if (parent !== undefined) addTo(children, parent, row)
  }
  const shown = new Set<ScanRow>()
  const lines: string[] = []
  const show = (row: ScanRow, indent: number): void => {
    if (shown.has(row)) return
    shown.add(row)
    const orphan = row.parent !== undefined && parentOf(row) === undefined
    lines.push(rowLine(row, { verbose, indent, ...(orphan ? { parentNote: MISSING } : {}) }))
    for (const child of children.get(row) ?? []) show(child, indent + 1)
  }
  for (const row of rows) if (!shown.has(row)) show(rootOf(row, parentOf), 0)
  return lines
}

/** Ends where it began in images that name each other as parents. */
function rootOf(row: ScanRow, parentOf: (row: ScanRow) => ScanRow | undefined): ScanRow {
  const passed = new Set([row])
  let root = row
  for (let next = parentOf(row); next !== undefined && !passed.has(next); next = parentOf(next)) {
    passed.add(next)
    root = next
  }
  return root
}

function addTo<K, V>(groups: Map<K, V[]>, key: K, value: V): void {
  const group = groups.get(key)
  if (group === undefined) groups.set(key, [value])
  else group.push(value)
}
