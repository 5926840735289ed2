import { deflate } from '../../../lib/lvhd/inflate.ts'
import { HIDDEN_TAG, vhdVolume, volumeOf, type VdiType } from '../../../lib/lvhd/names.ts'
import { ROOM_FOR } from '../../../lib/lvhd/sizes.ts'
import { hostsOf } from '../../pause.ts'
import type { LvhdFamilySR } from '../LvhdFamilySR.ts'
import type { BranchSizes } from './sizes.ts'

/** A disk that becomes a base copy with leaves, and the uuids of what is made. */
export interface Branch {
  readonly sr: LvhdFamilySR
  /** Uuid of the disk. */
  readonly disk: string
  /** What the disk is until then. */
  readonly type: VdiType
  /** Uuid of the base copy. */
  readonly base: string
  /** Uuid of the second leaf, where one is made. */
  readonly newLeaf: string | undefined
  readonly sizes: BranchSizes
  /** Hosts other than this one that have the disk open. */
  readonly otherHosts: readonly string[]
  /** Crash points. */
  readonly points: { readonly baseMade: string; readonly leafMade: string }
}

/** Value of the journal of a snapshot: the uuids of base and second leaf, the latter possibly empty (spec lvhd 8.1). */
export function cloneJournalValue({ base, newLeaf }: Pick<Branch, 'base' | 'newLeaf'>): string {
  return `${base}_${newLeaf ?? ''}`
}

/** Hosts other than the one of this call that have a disk open, by its `host_…` keys. */
export function otherHostsOf(sr: LvhdFamilySR, smConfig: Readonly<Record<string, string>>): string[] {
  return hostsOf(smConfig).filter(host => host !== sr.context.request.hostRef)
}

/**
 * The disk work of a snapshot, under a `clone` journal that the caller has made (spec lvhd 15 steps 6-11):
 * 1. the disk's volume becomes the base; 2. it is cut to what it holds; 3. the leaves, which the tool makes on an ancestor
 * where the base is empty; 4. hide the base, after it has children, and make it read-only; 5. other hosts take it up.
 */
export async function makeLeaves(branch: Branch): Promise<void> {
  const { sr, disk, type, base, newLeaf, sizes, points } = branch
  const { group, activator } = sr
  const { effects } = sr.context.system
  const baseVolume = volumeOf(type, base)
  await group.rename(volumeOf(type, disk), baseVolume)
  await activator.renamed(disk, { uuid: base, volume: baseVolume })
  const vhd = await sr.vhdUtil()
  if (type === 'vhd') await deflate({ group, vhd }, baseVolume, sizes.base)
  effects.point(points.baseMade)
  await makeLeaf(branch, disk, sizes.leaf)
  effects.point(points.leafMade)
  if (newLeaf !== undefined) await makeLeaf(branch, newLeaf, sizes.newLeaf)
  effects.point('LVHDRT_clone_vdi_after_second_snap')
  if (type === 'vhd') await vhd.setHidden(group.path(baseVolume), true)
  else await group.setTag(baseVolume, HIDDEN_TAG, true)
  effects.point('LVHDRT_clone_vdi_after_parent_hidden')
  await group.setWritable(baseVolume, false)
  effects.point('LVHDRT_clone_vdi_after_parent_ro')
  await sr.tellHosts(branch.otherHosts, [
    { action: 'refresh', lvName: vhdVolume(disk) },
    { action: 'activate', uuid: base, lvName: baseVolume },
  ])
}

async function makeLeaf({ sr, base, type }: Branch, uuid: string, size: number): Promise<void> {
  const { group, activator } = sr
  const volume = vhdVolume(uuid)
  await group.create(volume, size)
  await activator.adopt({ uuid, volume })
  sr.context.system.effects.point('LVHDRT_clone_vdi_after_lvcreate')
  const vhd = await sr.vhdUtil()
  const options = { parentRaw: type === 'aio', maxSize: ROOM_FOR }
  await vhd.snapshot(group.path(volume), group.path(volumeOf(type, base)), options)
}
