import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MIB, type Disk } from '../../support/World.ts'
import { openBox, type Box } from '../../support/lvhdBox.ts'

/** Programs that the driver runs for a command, in order; `lvm` is a report. The collector and the data path are not here. */
async function programsOf({ world, lvm }: Box, act: () => Promise<unknown>): Promise<string> {
  expect(world.srUuid).not.toBe('')
  lvm.fake.takeCommands()
  await act()
  return lvm.fake.takeCommands().join(' ')
}

describe.each(['thick', 'thin'] as const)('processes that LVHDSR starts, %s', allocation => {
  let box: Box
  let disk: Disk
  beforeEach(async () => {
    box = await openBox({ allocation })
    disk = await box.world.createVdi('disk', 8)
    await box.world.write(disk, 1, 0, 2)
  })
  afterEach(async () => {
    await box.world.close()
  })

  test('vdi_create: one report, the volume, its name, its deactivation', async () => {
    expect(await programsOf(box, () => box.world.createVdi('more', 8))).toBe('lvm lvcreate lvrename lvchange')
  })

  test('vdi_delete: one report and the removal', async () => {
    expect(await programsOf(box, () => box.world.call('VDI.destroy', disk.ref))).toBe('lvm lvremove')
  })

  test('sr_scan of an SR that is as its records say: one report', async () => {
    await box.world.scan()
    expect(await programsOf(box, () => box.world.plugin('sr_scan', undefined))).toBe('lvm')
  })

  test('vdi_snapshot', async () => {
    const programs = await programsOf(box, () => box.world.snapshot(disk))
    const deflate = 'lvresize '
    expect(programs).toBe(
      `lvm lvchange lvcreate lvrename lvrename ${allocation === 'thick' ? deflate : ''}lvcreate lvcreate lvchange lvm lvremove lvchange lvm`,
    )
  })

  test('vdi_revert: two reports, the chain, the journal, four changes of names and volumes, and the end', async () => {
    const { world } = box
    const snapshot = await world.snapshot(disk)
    await world.write(disk, 2, 1, 2)
    const programs = await programsOf(box, () => world.revert(snapshot))
    expect(programs).toBe('lvm lvm lvchange lvcreate lvrename lvrename lvcreate lvrename lvremove lvremove lvchange')
  })
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
