import { fullVhdVolumeSize, SMALL_VOLUME, THIN_VOLUME, volumeSize } from '../../../lib/lvhd/sizes.ts'
import type { Allocation } from '../LvhdFamilySR.ts'

/** What the room for a revert depends on. Sizes in bytes. */
export interface SpaceFacts {
  readonly allocation: Allocation
  /** Virtual size of the snapshot, which the target gets. */
  readonly virtualSize: number
  /** The target's volume, which goes in the end. */
  readonly targetVolume: number
  readonly snapshotVolume: number
  /** What the snapshot's image needs at least. */
  readonly snapshotPhysical: number
  /** The snapshot's own leaf gets its full size in a split: somebody writes to it. */
  readonly isSnapshotWritten: boolean
}

/**
 * Free bytes that either way of a revert needs: the new leaf and the journal, and in a thick SR room for giving the leaf its
 * full size once the old volume is gone. That has a journal too, beside the first one, which goes last here: one extent more
 * than where it goes first (spec lvhd 29, 30).
 */
export function revertSpace(facts: SpaceFacts): { relink: number; split: number } {
  const full = fullVhdVolumeSize(facts.virtualSize)
  const least = SMALL_VOLUME + THIN_VOLUME
  const saved = facts.snapshotVolume - Math.min(facts.snapshotVolume, volumeSize(facts.snapshotPhysical))
  const ofSplit = (facts.isSnapshotWritten ? full : THIN_VOLUME) - saved
  const inTheEnd = facts.allocation === 'thick' ? full + 2 * SMALL_VOLUME - facts.targetVolume : 0
  return { relink: Math.max(least, inTheEnd), split: Math.max(least, inTheEnd) + ofSplit }
}

/**
 * Size of the target's new volume: its full size at once where there is room for that beside the old one (spec lvhd 30,
 * second variant), so that nothing is left to be enlarged.
 */
export function newVolumeSize(allocation: Allocation, virtualSize: number, free: number): number {
  const full = fullVhdVolumeSize(virtualSize)
  return allocation === 'thick' && free >= full + SMALL_VOLUME ? full : THIN_VOLUME
}
