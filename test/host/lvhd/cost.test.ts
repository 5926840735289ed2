import { describe, expect, test } from 'vitest'
import { describeCost } from '../../contract/cost.ts'
import { MIB } from '../../support/World.ts'
import { openBox } from '../../support/lvhdBox.ts'

describe.each(['thick', 'thin'] as const)('processes that LVHDSR starts on a model of LVM, %s', allocation => {
  describeCost(async () => {
    const { world, lvm } = await openBox({ allocation })
    return { world, takePrograms: () => Promise.resolve(lvm.fake.takeCommands()) }
  }, allocation)
})

describe('a thick disk of 2040 GiB in a group with 64 MiB free', () => {
  test('is reverted with as many processes as one of 1 GiB', { timeout: 120_000 }, async () => {
    const counts: string[] = []
    for (const gib of [1, 2040]) {
      const full = (gib === 1 ? 1032 : 2_093_048) / 4
      const box = await openBox({ allocation: 'thick', extents: full + 64 })
      try {
        const { world, lvm } = box
        const disk = await world.createVdi('disk', gib * 1024)
        const snapshot = await world.snapshot(disk)
        const { free } = await world.group.report()
        const filler = free / MIB - 64
        if (filler > 0) await world.group.create('filler', filler * MIB)
        expect((await world.group.report()).free).toBe(64 * MIB)
        lvm.fake.takeCommands()
        await world.revert(snapshot)
        counts.push(lvm.fake.takeCommands().join(' '))
        expect((await world.record(disk)).virtual_size).toBe(gib * 1024 * MIB)
        expect((await world.volumes()).get(`VHD-${disk.uuid}`)?.size).toBe(full * 4 * MIB)
        expect((await world.group.report()).free).toBe(64 * MIB)
      } finally {
        await box.world.close()
      }
    }
    expect(counts[1]).toBe(counts[0])
  })
})
