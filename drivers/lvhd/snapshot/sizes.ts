import { fullVhdVolumeSize, SMALL_VOLUME, THIN_VOLUME, volumeSize } from '../../../lib/lvhd/sizes.ts'
import type { VdiType } from '../../../lib/lvhd/names.ts'
import type { Allocation } from '../LvhdFamilySR.ts'

/** What the sizes of a snapshot's volumes depend on. Sizes in bytes. */
export interface BranchFacts {
  readonly command: 'vdi_snapshot' | 'vdi_clone'
  /** Whether a second leaf is made. */
  readonly makesLeaf: boolean
  readonly allocation: Allocation
  readonly type: VdiType
  readonly virtualSize: number
  readonly volumeSize: number
  /** What the image needs at least. */
  readonly physicalSize: number
  readonly isASnapshot: boolean
  readonly isAttached: boolean
}

/** Sizes of the volumes afterwards, bytes. */
export interface BranchSizes {
  /** Of the disk itself. */
  readonly leaf: number
  /** Of the snapshot or clone; 0 where none is made. */
  readonly newLeaf: number
  readonly base: number
  /** Free bytes that are needed: also for the journals of this and of a possible rollback. */
  readonly needed: number
}

/** Sizes of the volumes that a snapshot or clone makes (spec lvhd 15 step 3). Pure. */
export function branchSizes(facts: BranchFacts): BranchSizes {
  const { command, allocation, isASnapshot, isAttached } = facts
  const full = fullVhdVolumeSize(facts.virtualSize)
  const isThick = allocation === 'thick'
  const isWritten = (isThick && !isASnapshot) || (command === 'vdi_snapshot' && isAttached)
  const leaf = isWritten ? full : THIN_VOLUME
  const newLeaf = !facts.makesLeaf ? 0 : isThick && command === 'vdi_clone' ? full : THIN_VOLUME
  const base = facts.type === 'aio' ? facts.volumeSize : Math.min(facts.volumeSize, volumeSize(facts.physicalSize))
  return { leaf, newLeaf, base, needed: leaf + newLeaf + 2 * SMALL_VOLUME - (facts.volumeSize - base) }
}
