import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { World } from '../../support/World.ts'

describe('reverting a disk in place', () => {
  let world: World
  beforeAll(async () => {
    world = await World.create()
  })
  afterAll(async () => {
    await world.close()
  })

  test('gives it the content, size and identity it should have, whatever came in between', async () => {
    const disk = await world.createVdi('disk', 16)
    await world.write(disk, 1, 0, 3)
    const before = await world.content(disk.uuid)
    const first = await world.snapshot(disk)
    await world.write(disk, 2, 1, 6)
    await world.call('VDI.resize', disk.ref, String(24 * 1024 * 1024))
    const grown = await world.content(disk.uuid)
    const second = await world.snapshot(disk)
    await world.write(disk, 3, 5, 4)

    await world.revert(first)
    expect(await world.content(disk.uuid)).toEqual(before)
    expect((await world.record(disk)).virtual_size).toBe(16 * 1024 * 1024)
    await world.revert(second)
    expect(await world.content(disk.uuid)).toEqual(grown)
    expect((await world.record(disk)).virtual_size).toBe(24 * 1024 * 1024)
    await world.revert(second)
    expect(await world.content(disk.uuid)).toEqual(grown)
    expect(await world.content(first.uuid)).toEqual(before)
    expect((await world.record(disk)).uuid).toBe(disk.uuid)
    expect(await world.call('VDI.get_snapshots', disk.ref)).toEqual(expect.arrayContaining([first.ref, second.ref]))
  })
})
