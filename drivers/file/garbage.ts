import type { VhdScanRow } from '../../lib/vhd/VhdUtil.ts'
import type { FileFamilySR } from './FileFamilySR.ts'
import { findCollectorLeftovers, uuidOfVhd } from './layout.ts'
import { forgetUuid } from './records.ts'
import { scanDirectory } from './scan.ts'

/**
 * Deletes what no visible disk needs: hidden leaves, and hidden nodes all of whose children are such. Leaves first, so
 * that an interruption never leaves a child without its parent, and their records with them. What a collector was working on stays. Runs under the SR
 * lock.
 */
export async function collectGarbage(sr: FileFamilySR): Promise<void> {
  const { names, vhds } = await scanDirectory(sr)
  const { journals } = findCollectorLeftovers(names)
  const settled = vhds.map(row => (journals.has(uuidOfVhd(row.name)) ? { ...row, hidden: false } : row))
  for (const row of garbageLeavesFirst(settled)) {
    await sr.context.system.files.unlinkIfPresent(sr.file(row.name))
    await forgetUuid(sr, uuidOfVhd(row.name))
    sr.context.log.info(`deleted unused base copy ${uuidOfVhd(row.name)}`)
  }
}

/** The rows to delete, every child before its parent. Pure. */
export function garbageLeavesFirst(rows: readonly VhdScanRow[]): VhdScanRow[] {
  const children = childrenByParent(rows)
  const garbage: VhdScanRow[] = []
  const names = new Set<string>()
  for (let grown = true; grown;) {
    const next = rows.filter(
      row => row.hidden && !names.has(row.name) && (children.get(row.name) ?? []).every(child => names.has(child.name)),
    )
    grown = next.length > 0
    for (const row of next) {
      names.add(row.name)
      garbage.push(row)
    }
  }
  return garbage
}

/** Name of a parent -> the rows of its children, whether the parent itself was found or not. */
export function childrenByParent(rows: readonly VhdScanRow[]): Map<string, VhdScanRow[]> {
  const children = new Map<string, VhdScanRow[]>()
  for (const row of rows) {
    if (row.parentName === undefined) continue
    const siblings = children.get(row.parentName)
    if (siblings === undefined) children.set(row.parentName, [row])
    else siblings.push(row)
  }
  return children
}
