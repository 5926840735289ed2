import { isErrno } from '../../lib/os/files.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import { inspectVhd } from '../../lib/vhd/inspect.ts'
import { hostsOf } from '../pause.ts'
import { readChildren } from './children.ts'
import type { FileFamilySR } from './FileFamilySR.ts'
import { newVhdName, revertVhdName, vhdName } from './layout.ts'
import { refOf } from './records.ts'

/** Names of a split: the disk whose file becomes the base, the uuid the base gets, and where the disk's new file is built. */
export interface Split {
  readonly leaf: string
  readonly base: string
  readonly temporary: 'new' | 'revert'
  /** Footer uuid of the image that becomes the base. */
  readonly baseVhd: string
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
 * @throws SmError VDIUnavailable where the file has yet another name, which hiding would hide too
 */
export async function splitLeaf(sr: FileFamilySR, split: Split, points: SplitPoints): Promise<void> {
  const { files, effects } = sr.context.system
  const { leaf, base, temporary } = paths(sr, split)
  const tool = await sr.vhdUtil()
  if ((await files.stat(leaf)).nlink > 1) {
    throw new SmError('VDIUnavailable', `the image of VDI ${split.leaf} has a second name: an interrupted snapshot`)
  }
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
 * `undone`: the base is gone, the disk's file is again what it was before. `kept`: other images are built on the base,
 * which is hidden. `foreign`: what has the base's name is not, or no longer, the base of a split.
 */
export type UndoneSplit = 'undone' | 'kept' | 'foreign'

/** Takes back whatever part of a split was done, as far as nothing was built on it or opened since. Idempotent. */
export async function undoSplit(sr: FileFamilySR, split: Split): Promise<UndoneSplit> {
  const { files } = sr.context.system
  const { leaf, base, temporary } = paths(sr, split)
  const hasLeaf = await files.exists(leaf)
  if (hasLeaf) await files.unlinkIfPresent(temporary)
  if (!(await files.exists(base))) return 'undone'
  // A journal may be out of date: only what the file says of itself tells that it is the base.
  if ((await inspectVhd(files, base, { backupFooter: true })).uuid !== split.baseVhd) return 'foreign'
  const childrenOf = await readChildren(sr)
  const children = childrenOf(split.base)
  if (!hasLeaf && children.length === 0) return restoreMissingLeaf(sr, split)
  if (await isSameFile(sr, leaf, base)) {
    if (children.length > 0) return 'kept'
    // rename(2) between two names of one file does nothing: the base's name has to be unlinked.
    await files.unlink(base)
    await files.syncDirectory(sr.path)
    return 'undone'
  }
  if (children.length === 0) return 'foreign'
  const onlyChild = children.length === 1 && children[0] === split.leaf && childrenOf(split.leaf).length === 0
  if (onlyChild && (await isUntouched(sr, split)) && (await isClosed(sr, split.leaf))) {
    await restore(sr, base, leaf)
    return 'undone'
  }
  await (await sr.vhdUtil()).setHidden(base, true)
  return 'kept'
}

/** The name is free between two renames where there are no hard links; a disk that was deleted since stays away. */
async function restoreMissingLeaf(sr: FileFamilySR, split: Split): Promise<UndoneSplit> {
  const { leaf, base, temporary } = paths(sr, split)
  if ((await refOf(sr, split.leaf)) === undefined) return 'foreign'
  await restore(sr, base, leaf)
  await sr.context.system.files.unlinkIfPresent(temporary)
  return 'undone'
}

async function restore(sr: FileFamilySR, base: string, leaf: string): Promise<void> {
  // Set without asking: an interrupted run may have changed one of the two footers that say it.
  await (await sr.vhdUtil()).setHidden(base, false)
  await sr.context.system.files.rename(base, leaf)
  await sr.context.system.files.syncDirectory(sr.path)
}

async function isUntouched(sr: FileFamilySR, { leaf, base }: Split): Promise<boolean> {
  const { files } = sr.context.system
  const child = await inspectVhd(files, sr.file(vhdName(leaf)), { backupFooter: true })
  const parent = await inspectVhd(files, sr.file(vhdName(base)), { backupFooter: true })
  return child.parentUuid === parent.uuid && child.allocatedBlocks === 0 && child.virtualSize === parent.virtualSize
}

/** No host has the disk's file open: none has the disk at all, or all have it paused. */
async function isClosed(sr: FileFamilySR, uuid: string): Promise<boolean> {
  const ref = await refOf(sr, uuid)
  if (ref === undefined) return true
  const smConfig = await sr.context.xapi.vdiGetSmConfig(ref)
  return hostsOf(smConfig).length === 0 || 'paused' in smConfig
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
