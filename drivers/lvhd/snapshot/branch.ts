import { volumeOf } from '../../../lib/lvhd/names.ts'
import type { Ref } from '../../../lib/xapi/XapiClient.ts'
import { forgetVdi } from '../../records.ts'
import { readDisks, type Disk } from '../disks.ts'
import type { LvhdFamilySR } from '../LvhdFamilySR.ts'
import { dropActions } from '../slaves.ts'
import { cloneJournalValue, makeLeaves, type Branch } from './makeLeaves.ts'
import { introduceBranched } from './records.ts'

/** What became of a disk that was branched. */
export interface Made {
  readonly branch: Branch
  /** Undefined where nothing is built on it: it was empty. */
  readonly base: Disk | undefined
  readonly newLeaf: Disk | undefined
}

/**
 * Branches a paused disk whose chain is active, under a `clone` journal whose removal commits (spec lvhd 15 steps 4-14).
 * Where it throws and there is a journal, `undoClone` takes it back and the journal is to be removed; without one nothing
 * may be undone.
 */
export async function makeBranch(branch: Branch, ref: Ref, isSnapshot: boolean): Promise<Made> {
  const { sr, disk, type } = branch
  const { effects } = sr.context.system
  // The journal first: from it recovery knows that the hosts have to map the disk again.
  await sr.journals.create('clone', disk, cloneJournalValue(branch))
  effects.point('LVHDRT_clone_vdi_after_create_journal')
  await sr.tellHosts(branch.otherHosts, [{ action: 'deactivateNoRefcount', lvName: volumeOf(type, disk) }])
  await makeLeaves(branch)
  const disks = await readBranched(sr, branch)
  const base = disks.isBaseUsed ? disks.base : undefined
  await introduceBranched(sr, ref, { disk: disks.disk, base, newLeaf: disks.newLeaf, isSnapshot })
  effects.point('LVHDRT_clone_vdi_before_remove_journal')
  await commit(branch)
  return { branch, base, newLeaf: disks.newLeaf }
}

/** An error of the step that commits proves nothing: whether the journal is there does. */
async function commit({ sr, disk }: Branch): Promise<void> {
  try {
    await sr.journals.remove('clone', disk)
  } catch (error) {
    sr.group.forget()
    if (await sr.journals.has(disk)) throw error
    sr.context.log.warn(`VDI ${disk} is branched although LVM reported ${String(error)}`)
  }
}

/** Removes a base that nothing is built on, else keeps it active as long as the disk is (spec lvhd 15 step 14). */
export async function dropUnusedBase({ branch, base }: Made): Promise<void> {
  const { sr, otherHosts } = branch
  if (base !== undefined) {
    const isAttached = (await sr.references.read(branch.disk)).binary === 1
    if (isAttached) await sr.references.get(branch.base, 'count')
    return
  }
  const volume = volumeOf(branch.type, branch.base)
  // A host that kept it mapped would keep its extents mapped when they are another volume's.
  await sr.tellHosts(otherHosts, dropActions(branch.base, volume))
  await sr.group.remove(volume)
  await sr.activator.removed(branch.base)
  await forgetVdi(sr.context.xapi, branch.base)
}

interface Branched {
  readonly disk: Disk
  readonly base: Disk
  readonly newLeaf: Disk | undefined
  readonly isBaseUsed: boolean
}

/** @throws Error where a volume cannot be read back, or a leaf is on neither the base nor what the base is on */
async function readBranched(sr: LvhdFamilySR, { disk, base, newLeaf }: Branch): Promise<Branched> {
  sr.group.forget()
  const { disks } = await readDisks(sr, [disk, base, ...(newLeaf === undefined ? [] : [newLeaf])])
  const found = (uuid: string): Disk => {
    const read = disks.get(uuid)
    if (read === undefined) throw new Error(`VDI ${uuid} cannot be read back`)
    return read
  }
  const leaves = [disk, ...(newLeaf === undefined ? [] : [newLeaf])].map(found)
  const chain = ancestryOf(disks, base)
  for (const { uuid, parent } of leaves) {
    if (parent === undefined || !chain.has(parent)) throw new Error(`VDI ${uuid} was made on ${parent ?? 'nothing'}`)
  }
  return {
    disk: found(disk),
    base: found(base),
    newLeaf: newLeaf === undefined ? undefined : found(newLeaf),
    isBaseUsed: leaves.some(leaf => leaf.parent === base),
  }
}

/** A disk and its ancestors, as far as they are known. Uuids. */
function ancestryOf(disks: ReadonlyMap<string, Disk>, uuid: string): Set<string> {
  const chain = new Set<string>()
  for (let next = disks.get(uuid); next !== undefined && !chain.has(next.uuid); next = disks.get(next.parent ?? '')) {
    chain.add(next.uuid)
  }
  return chain
}
