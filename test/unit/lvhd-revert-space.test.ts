import { describe, expect, test } from 'vitest'
import { newVolumeSize, revertSpace } from '../../drivers/lvhd/revert/space.ts'
import { branchSizes, type BranchFacts } from '../../drivers/lvhd/snapshot/sizes.ts'
import { MIB } from '../support/World.ts'

/** Virtual size 16 MiB: 24 MiB when full. */
const SPACE = {
  allocation: 'thick' as const,
  virtualSize: 16 * MIB,
  targetVolume: 24 * MIB,
  snapshotVolume: 8 * MIB,
  snapshotPhysical: 5 * MIB,
  isSnapshotWritten: false,
}

describe('free space that a revert needs (spec lvhd 29)', () => {
  test.each([
    ['a full target of the same size: the metadata of the new leaf alone', {}, 12, 20],
    ['a target of 8 MiB in a thick SR: room for what it grows by, and two journals', { targetVolume: 8 * MIB }, 24, 32],
    ['a full target that grows with the snapshot', { virtualSize: 64 * MIB }, 56, 64],
    ['a thin SR', { allocation: 'thin' as const, targetVolume: 8 * MIB }, 12, 20],
    ['a snapshot whose volume is larger than it needs', { snapshotVolume: 24 * MIB }, 12, 4],
    ['a snapshot that is written to', { isSnapshotWritten: true }, 12, 36],
  ])('%s', (_what, facts, relink, split) => {
    expect(revertSpace({ ...SPACE, ...facts })).toEqual({ relink: relink * MIB, split: split * MIB })
  })

  test('the new volume has its full size at once only where there is room beside the old one', () => {
    expect(newVolumeSize('thick', 16 * MIB, 28 * MIB)).toBe(24 * MIB)
    expect(newVolumeSize('thick', 16 * MIB, 24 * MIB)).toBe(8 * MIB)
    expect(newVolumeSize('thin', 16 * MIB, 999 * MIB)).toBe(8 * MIB)
  })
})

describe('sizes of the volumes of a snapshot (spec lvhd 15)', () => {
  const facts: BranchFacts = {
    command: 'vdi_snapshot',
    makesLeaf: true,
    allocation: 'thick',
    type: 'vhd',
    virtualSize: 10 * MIB,
    volumeSize: 16 * MIB,
    physicalSize: 7 * MIB,
    isASnapshot: false,
    isAttached: false,
  }
  test.each([
    ['of a thick disk', {}, [16, 8, 8, 24]],
    ['of a thin disk', { allocation: 'thin', volumeSize: 8 * MIB }, [8, 8, 8, 24]],
    ['of a thin disk that is in use', { allocation: 'thin', isAttached: true }, [16, 8, 8, 24]],
    ['of a snapshot', { isASnapshot: true }, [8, 8, 8, 16]],
    ['without a second leaf', { makesLeaf: false }, [16, 0, 8, 16]],
    ['as a clone', { command: 'vdi_clone' }, [16, 16, 8, 32]],
    ['of a raw disk', { type: 'aio' }, [16, 8, 16, 32]],
  ] as const)('%s', (_what, more, [leaf, newLeaf, base, needed]) => {
    const sizes = { leaf: leaf * MIB, newLeaf: newLeaf * MIB, base: base * MIB, needed: needed * MIB }
    expect(branchSizes({ ...facts, ...more })).toEqual(sizes)
  })
})
