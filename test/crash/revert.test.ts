import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { World, type Disk } from '../support/World.ts'
import { survivesErrors, survivesKilledRecovery, survivesKills, type Scenario } from './harness.ts'

const LONG = 600_000

/** A saved world with a disk, its snapshot, and another tree that must not change. */
interface Setting {
  readonly world: World
  readonly disk: Disk
  readonly snapshot: Disk
}

/** As `writtenSnapshot`, on a file system without hard links. */
async function withoutHardLinks(world: World): Promise<Setting> {
  await writeFile(path.join(world.location, 'sm-hardlink.conf'), '0')
  return writtenSnapshot(world)
}

async function scenarioOf({ world, disk, snapshot }: Setting): Promise<Scenario> {
  const other = await world.createVdi('bystander', 4)
  await world.write(other, 9, 0, 1)
  const branch = await world.clone(other)
  await world.scan()
  await world.save()
  const [old, wanted] = [await world.content(disk.uuid), await world.content(snapshot.uuid)]
  const allowed = new Map([
    [disk.uuid, [old, wanted]],
    [snapshot.uuid, [wanted]],
    [other.uuid, [await world.content(other.uuid)]],
    [branch.uuid, [await world.content(branch.uuid)]],
  ])
  const disks = [...(await world.records()).values()].filter(record => record.managed).length
  return { world, act: () => world.revert(snapshot), allowed, disks: [disks, disks] }
}

/** The usual case: the snapshot was never written to, the disk was, and grew. */
async function untouchedSnapshot(world: World): Promise<Setting> {
  const disk = await world.createVdi('disk', 4)
  await world.write(disk, 1, 0, 2)
  const snapshot = await world.snapshot(disk)
  await world.write(disk, 2, 1, 2)
  await world.call('VDI.resize', disk.ref, String(8 * 1024 * 1024))
  return { world, disk, snapshot }
}

/** The snapshot has data of its own, and a parent. */
async function writtenSnapshot(world: World): Promise<Setting> {
  const { disk, snapshot } = await untouchedSnapshot(world)
  await world.write(snapshot, 3, 2, 1)
  return { world, disk, snapshot }
}

/** The snapshot is a root: its disk came from somewhere else. */
async function rootSnapshot(world: World): Promise<Setting> {
  const disk = await world.createVdi('disk', 6)
  await world.write(disk, 1, 0, 1)
  const snapshot = await world.createVdi('snapshot', 4)
  await world.write(snapshot, 5, 0, 3)
  return { world, disk, snapshot: await world.declareSnapshot(snapshot, disk) }
}

describe('a revert that is interrupted', () => {
  let world: World
  beforeEach(async () => {
    world = await World.create()
  })
  afterEach(async () => {
    await world.close()
  })

  describe.each([
    ['relinking', untouchedSnapshot, 15],
    ['splitting a snapshot with data', writtenSnapshot, 25],
    ['splitting a snapshot that is the root of another tree', rootSnapshot, 25],
    ['splitting without hard links', withoutHardLinks, 25],
  ] as const)('%s', (_name, setting, least) => {
    test('survives being killed before every effect', { timeout: LONG }, async () => {
      const made = await setting(world)
      const scenario = await scenarioOf(made)
      // Without hard links the snapshot's name is free between two renames; the journal is durable by then.
      const closedUntilRecovered = setting === withoutHardLinks ? [made.snapshot.uuid] : []
      expect(await survivesKills({ ...scenario, closedUntilRecovered })).toBeGreaterThan(least)
    })

    test('takes itself back on every error of the system', { timeout: LONG }, async () => {
      const scenario = await scenarioOf(await setting(world))
      expect(await survivesErrors(scenario, 'EIO', ['SR_BACKEND_FAILURE_82'])).toBeGreaterThan(least)
    })
  })

  test('says that there is no space, wherever it runs out', { timeout: LONG }, async () => {
    const scenario = await scenarioOf(await untouchedSnapshot(world))
    expect(await survivesErrors(scenario, 'ENOSPC', ['SR_BACKEND_FAILURE_44'])).toBeGreaterThan(15)
  })

  test.each([
    'FileSR_revert_create_insert',
    'FileSR_revert_create_src',
    'FileSR_revert_create_dest',
    'FileSR_revert_before_commit',
    'FileSR_revert_after_commit',
  ])('survives that its recovery from %s is killed too', { timeout: LONG }, async point => {
    expect(await survivesKilledRecovery(await scenarioOf(await writtenSnapshot(world)), point)).toBeGreaterThan(3)
  })
})
