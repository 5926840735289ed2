import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Disk, World } from '../support/World.ts'
import type { Scenario } from './harness.ts'

/** A saved world with a disk, its snapshot, and another tree that must not change. */
export interface Setting {
  readonly world: World
  readonly disk: Disk
  readonly snapshot: Disk
}

/** As `writtenSnapshot`, on a file system without hard links. */
export async function withoutHardLinks(world: World): Promise<Setting> {
  await writeFile(path.join(world.location, 'sm-hardlink.conf'), '0')
  return writtenSnapshot(world)
}

export async function scenarioOf({ world, disk, snapshot }: Setting): Promise<Scenario> {
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
export async function untouchedSnapshot(world: World): Promise<Setting> {
  const disk = await world.createVdi('disk', 4)
  await world.write(disk, 1, 0, 2)
  const snapshot = await world.snapshot(disk)
  await world.write(disk, 2, 1, 2)
  await world.call('VDI.resize', disk.ref, String(8 * 1024 * 1024))
  return { world, disk, snapshot }
}

/** The snapshot has data of its own, and a parent. */
export async function writtenSnapshot(world: World): Promise<Setting> {
  const { disk, snapshot } = await untouchedSnapshot(world)
  await world.write(snapshot, 3, 2, 1)
  return { world, disk, snapshot }
}

/** The snapshot is a root: its disk came from somewhere else. */
export async function rootSnapshot(world: World): Promise<Setting> {
  const disk = await world.createVdi('disk', 6)
  await world.write(disk, 1, 0, 1)
  const snapshot = await world.createVdi('snapshot', 4)
  await world.write(snapshot, 5, 0, 3)
  return { world, disk, snapshot: await world.declareSnapshot(snapshot, disk) }
}
