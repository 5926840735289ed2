import { isErrno } from '../../lib/os/files.ts'
import { inspectVhd } from '../../lib/vhd/inspect.ts'
import { childrenByParent } from './garbage.ts'
import type { FileFamilySR } from './FileFamilySR.ts'
import { newVhdName, revertVhdName, vhdName } from './layout.ts'

/** Names of a split: the disk whose file becomes the base, the uuid the base gets, and where the disk's new file is built. */
export interface Split {
  readonly leaf: string
  readonly base: string
  readonly temporary: 'new' | 'revert'
}

/** Crash points inside a split. */
export interface SplitPoints {
  readonly baseCreated: string
  readonly leafSwitched: string
}

/**
 * Turns the file of a disk into a hidden base copy below the disk, whose own file becomes an empty child of it. The
 * disk's content never changes (spec file-sr 11.2, 22.3 step 9). Steps:
 * 1. the base: a second name of the same file; 2. build the child, durable; 3. rename it over the disk's name, fsync the
 * directory; 4. hide the base. It is hidden last because hidden is a property of the file, not of the name.
 */
export async function splitLeaf(sr: FileFamilySR, split: Split, points: SplitPoints): Promise<void> {
  const { files, effects } = sr.context.system
  const { leaf, base, temporary } = paths(sr, split)
  const tool = await sr.vhdUtil()
  if (await sr.hasHardLinks()) {
    await files.link(leaf, base)
    await files.syncDirectory(sr.path)
    effects.point(points.baseCreated)
    await tool.snapshot(temporary, base, { exactParent: true })
  } else {
    await sr.embeddedVhd().createChild(temporary, { parentFile: leaf, linkName: vhdName(split.base) })
    await files.rename(leaf, base)
    effects.point(points.baseCreated)
  }
  await files.rename(temporary, leaf)
  await files.syncDirectory(sr.path)
  effects.point(points.leafSwitched)
  await tool.setHidden(base, true)
}

/**
 * Takes back whatever part of a split was done, as far as nothing else was built on it since. Idempotent.
 * Returns whether the base is gone, so that the disk's file is again what it was before.
 */
export async function undoSplit(sr: FileFamilySR, split: Split): Promise<boolean> {
  const { files } = sr.context.system
  const { leaf, base, temporary } = paths(sr, split)
  await files.unlinkIfPresent(temporary)
  if (!(await files.exists(base))) return true
  if (!(await files.exists(leaf))) {
    await restore(sr, base, leaf)
    return true
  }
  if (await isSameFile(sr, leaf, base)) {
    // rename(2) between two names of one file does nothing: the base's name has to be unlinked.
    await files.unlink(base)
    await files.syncDirectory(sr.path)
    return true
  }
  if (!(await isUntouchedOnlyChild(sr, split))) {
    await keepAsBase(sr, base)
    return false
  }
  await restore(sr, base, leaf)
  return true
}

async function restore(sr: FileFamilySR, base: string, leaf: string): Promise<void> {
  // Set without asking: an interrupted run may have changed one of the two footers that say it.
  await (await sr.vhdUtil()).setHidden(base, false)
  await sr.context.system.files.rename(base, leaf)
  await sr.context.system.files.syncDirectory(sr.path)
}

/** Something grew on the split since: the base stays, and must look like one. */
async function keepAsBase(sr: FileFamilySR, base: string): Promise<void> {
  const name = base.slice(sr.path.length + 1)
  if ((await childNames(sr, name)).length > 0) await (await sr.vhdUtil()).setHidden(base, true)
}

async function isUntouchedOnlyChild(sr: FileFamilySR, { leaf, base }: Split): Promise<boolean> {
  const { files } = sr.context.system
  const child = await inspectVhd(files, sr.file(vhdName(leaf)), { backupFooter: true })
  const parent = await inspectVhd(files, sr.file(vhdName(base)), { backupFooter: true })
  if (child.parentUuid !== parent.uuid || child.allocatedBlocks > 0) return false
  if (child.virtualSize !== parent.virtualSize) return false
  const children = await childNames(sr, vhdName(base))
  return children.length === 1 && children[0] === vhdName(leaf) && (await childNames(sr, vhdName(leaf))).length === 0
}

async function childNames(sr: FileFamilySR, parentName: string): Promise<string[]> {
  const rows = await (await sr.vhdUtil()).scan(sr.path)
  const children = childrenByParent(rows.flatMap(row => ('error' in row ? [] : [row])))
  return (children.get(parentName) ?? []).map(row => row.name)
}

async function isSameFile(sr: FileFamilySR, one: string, other: string): Promise<boolean> {
  try {
    const [a, b] = await Promise.all([one, other].map(name => sr.context.system.files.identity(name)))
    return a !== undefined && b !== undefined && a.ino === b.ino && a.dev === b.dev
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
}

function paths(sr: FileFamilySR, split: Split): { leaf: string; base: string; temporary: string } {
  const temporary = split.temporary === 'new' ? newVhdName(split.leaf) : revertVhdName(split.leaf)
  return { leaf: sr.file(vhdName(split.leaf)), base: sr.file(vhdName(split.base)), temporary: sr.file(temporary) }
}
