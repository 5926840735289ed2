import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { expectConsistent } from '../crash/harness.ts'
import type { Disk } from '../support/World.ts'
import { describeLab } from './lab.ts'
import { Pool } from './Pool.ts'

describeLab('a pool of two hosts on one LUN', () => {
  let pool: Pool
  let disk: Disk
  let snapshot: Disk
  let [old, wanted] = ['', '']
  beforeAll(async () => {
    pool = await Pool.start()
    expect(await pool.there('sr_attach')).toEqual({ value: null })
  })
  afterAll(async () => {
    await pool.close()
  })
  beforeEach(async () => {
    const { world } = pool
    disk = await world.createVdi('disk', 4)
    await world.write(disk, 1, 0, 1)
    snapshot = await world.snapshot(disk)
    await world.write(disk, 2, 1, 2)
    old = (await world.content(disk.uuid)).sha256
    wanted = (await world.content(snapshot.uuid)).sha256
  })

  test('is used by both; the changes are for the master alone', async () => {
    expect(await pool.second.run('iscsiadm -m session')).toContain('10.77.0.1:3260')
    expect(await pool.there('vdi_revert', snapshot, { args: [disk.ref] })).toMatchObject({ fault: { code: 58 } })
    expect(await pool.there('vdi_snapshot', disk, { driver_params: {} })).toMatchObject({ fault: { code: 58 } })
  })

  test('a revert beside a disk of the same tree that is open there: it reads on, and the next open reads the new content', async () => {
    const { world } = pool
    const clone = await world.clone(disk)
    await pool.thereOk(disk, 'vdi_attach', 'vdi_activate')
    expect(await pool.readThere(disk)).toBe(old)
    await pool.thereOk(disk, 'vdi_deactivate', 'vdi_detach')
    await pool.thereOk(clone, 'vdi_attach', 'vdi_activate')
    expect(await pool.readThere(clone)).toBe(old)
    const later = await world.snapshot(disk)
    await world.revert(snapshot)
    expect((await world.content(disk.uuid)).sha256).toBe(wanted)
    expect(await pool.readThere(clone)).toBe(old)
    await pool.thereOk(disk, 'vdi_attach', 'vdi_activate')
    expect(await pool.readThere(disk)).toBe(wanted)
    for (const vdi of [clone, disk]) await pool.thereOk(vdi, 'vdi_deactivate', 'vdi_detach')
    await world.revert(later)
    await pool.thereOk(disk, 'vdi_attach', 'vdi_activate')
    expect(await pool.readThere(disk)).toBe(old)
    await pool.thereOk(disk, 'vdi_deactivate', 'vdi_detach')
  })

  test('a disk that is open there is not reverted (24), until it is closed', async () => {
    const { world } = pool
    await pool.thereOk(disk, 'vdi_attach', 'vdi_activate')
    expect((await world.record(disk)).sm_config).toMatchObject({ [`host_${pool.otherRef}`]: 'RW' })
    expect(await world.failure('VDI.revert', snapshot.ref)).toContain('VDI_IN_USE')
    expect(await pool.readThere(disk)).toBe(old)
    await pool.thereOk(disk, 'vdi_deactivate', 'vdi_detach')
    await world.revert(snapshot)
    expect((await world.content(disk.uuid)).sha256).toBe(wanted)
  })

  test.each([
    ['LVM_revert_before_commit', false],
    ['LVM_revert_after_commit', true],
  ])('a revert killed at %s is never opened there by half', async (point, committed) => {
    const { world } = pool
    await world.start(point)
    expect(await world.failure('VDI.revert', snapshot.ref)).toContain('received signal: SIGKILL')
    await world.start()
    expect(await pool.there('vdi_activate', disk, { args: ['true'] })).toMatchObject({ fault: { code: 46 } })
    await world.scan()
    await expectConsistent(world, point)
    await pool.thereOk(disk, 'vdi_attach', 'vdi_activate')
    expect(await pool.readThere(disk)).toBe(committed ? wanted : old)
    await pool.thereOk(disk, 'vdi_deactivate', 'vdi_detach')
  })

  test('the master dies in the middle of a revert: the other becomes the master and settles it', async () => {
    await pool.world.start('LVM_revert_after_commit')
    expect(await pool.world.failure('VDI.revert', snapshot.ref)).toContain('received signal: SIGKILL')
    await pool.succeed()
    const { world } = pool
    expect((await world.fault('vdi_activate', disk, { args: ['true'] }, { SRmaster: 'false' })).code).toBe(46)
    await world.scan()
    await expectConsistent(world, 'on the new master')
    expect((await world.content(disk.uuid)).sha256).toBe(wanted)
    expect((await world.content(snapshot.uuid)).sha256).toBe(wanted)
    await world.write(disk, 3, 0, 1)
    await world.revert(snapshot)
    expect((await world.content(disk.uuid)).sha256).toBe(wanted)
  })
})
