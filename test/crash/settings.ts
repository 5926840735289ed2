import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { EmbeddedVhdUtil } from '../../lib/vhd/EmbeddedVhdUtil.ts'
import type { Disk, World } from '../support/World.ts'
import type { Scenario } from './harness.ts'

/** A saved world with a disk, its snapshot, and another tree that must not change. */
export interface Setting {
  readonly world: World
  readonly disk: Disk
  readonly snapshot: Disk
  /** A base copy with a managed record, which a revert makes unmanaged. */
  readonly backing?: string
}

/** As `writtenSnapshot`, on a file system without hard links. */
export async function withoutHardLinks(world: World): Promise<Setting> {
  await writeFile(path.join(world.location, 'sm-hardlink.conf'), '0')
  return writtenSnapshot(world)
}

export async function scenarioOf({ world, disk, snapshot, backing }: Setting): Promise<Scenario> {
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
  const after = backing === undefined ? disks : disks - 1
  return { world, act: () => world.revert(snapshot), allowed, disks: [disks, after] }
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

/** The snapshot, untouched, belongs to another tree, and is larger than the disk. */
export async function unrelatedSnapshot(world: World): Promise<Setting> {
  const { disk: elsewhere, snapshot } = await untouchedSnapshot(world)
  const disk = await world.createVdi('disk', 2)
  await world.write(disk, 6, 0, 2)
  await world.call('VDI.destroy', elsewhere.ref)
  return { world, disk, snapshot: await world.declareSnapshot(snapshot, disk) }
}

/** An interrupted snapshot of another implementation left the base copy visible, and a scan has introduced it as a disk. */
export async function visibleBacking(world: World): Promise<Setting> {
  const { disk, snapshot } = await untouchedSnapshot(world)
  const backing = (await world.record(snapshot)).sm_config['vhd-parent'] ?? ''
  await new EmbeddedVhdUtil(world.system, { boundary: world.location }).setHidden(world.vhd(backing), false)
  await world.loseRecords()
  await world.scan()
  const found = [...(await world.records())].map(([ref, { uuid }]) => ({ ref, uuid }))
  const [newDisk, newSnapshot] = [disk, snapshot].map(old => found.find(({ uuid }) => uuid === old.uuid) ?? old)
  if (newDisk === undefined || newSnapshot === undefined) throw new Error('two disks were introduced')
  return { world, disk: newDisk, snapshot: await world.declareSnapshot(newSnapshot, newDisk), backing }
}
