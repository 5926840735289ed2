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
  for (const row of rows) {
    if (shown.has(row)) continue
    for (const { row: each, indent } of subtree(rootOf(row, parentOf), children)) {
      shown.add(each)
      const orphan = each.parent !== undefined && parentOf(each) === undefined
      lines.push(rowLine(each, { verbose, indent, ...(orphan ? { parentNote: MISSING } : {}) }))
    }
  }
  return lines
}

/** A root and all below it, children after their parent and before its siblings. Each row once, loops or not. */
function* subtree(
  root: ScanRow,
  children: ReadonlyMap<ScanRow, readonly ScanRow[]>,
): IterableIterator<{ readonly row: ScanRow; readonly indent: number }> {
  const seen = new Set<ScanRow>()
  const stack = [{ row: root, indent: 0 }]
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    if (seen.has(top.row)) continue
    seen.add(top.row)
    yield top
    const below = top.indent + 1
    stack.push(...[...(children.get(top.row) ?? [])].reverse().map(row => ({ row, indent: below })))
  }
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
