import * as fs from 'node:fs/promises'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { vhdVolume } from '../../../lib/lvhd/names.ts'
import type { Disk } from '../../support/World.ts'
import type { LvmWorld } from '../../support/LvmWorld.ts'
import { openBox, type Box } from '../../support/lvhdBox.ts'

let box: Box
let world: LvmWorld
let disk: Disk
let other: string

beforeEach(async () => {
  box = await openBox({ allocation: 'thin', hostPluginDir: 'test/fixtures/pool-plugins' })
  world = box.world
  disk = await world.createVdi('disk', 16)
  await world.write(disk, 1, 0, 2)
  other = await world.addHost({ live: true })
  await world.call('VDI.add_to_sm_config', disk.ref, `host_${other}`, 'RW')
})
afterEach(async () => {
  await world.close()
})

/** What happened, in its order: LVM's commands with the names of volumes, and what the other host was told. */
async function story(): Promise<string[]> {
  const told = await fs.readFile(path.join(world.paths.root, 'told'), 'utf8').catch(() => '')
  return told.split('\n').filter(line => line !== '')
}

/** Names are those of the roles that they have. */
function named(lines: readonly string[], names: Readonly<Record<string, string>>): string[] {
  return lines.map(line => Object.entries(names).reduce((text, [uuid, role]) => text.replaceAll(uuid, role), line))
}

async function uuidsOf(snapshot: Disk): Promise<Record<string, string>> {
  const base = (await world.record(disk)).sm_config['vhd-parent'] ?? ''
  return { [disk.uuid]: 'disk', [snapshot.uuid]: 'snapshot', [base]: 'base' }
}

describe('a host that has a disk open', () => {
  test('lets go of it after the journal of a snapshot is there, and maps leaf and base before it goes', async () => {
    const snapshot = await world.snapshot(disk)
    const names = await uuidsOf(snapshot)
    expect(named(await story(), names)).toEqual([
      'deactivateNoRefcount VHD-disk while clone_disk_1',
      'refresh VHD-disk, activate VHD-base while clone_disk_1',
    ])
  })

  test.each([
    ['LVHDRT_clone_vdi_after_create_journal', ['activate VHD-disk, refresh VHD-disk, deactivate VHD-disk']],
    [
      'LVHDRT_clone_vdi_after_first_snap',
      [
        'deactivateNoRefcount VHD-disk, deactivateNoRefcount VHD-base, cleanupLockAndRefcount base',
        'activate VHD-disk, refresh VHD-disk, deactivate VHD-disk',
      ],
    ],
    ['LVHDRT_clone_vdi_before_remove_journal', ['refresh VHD-disk, refresh VHD-base']],
  ])('has the right volumes before the journal goes that %s leaves', async (point, expected) => {
    const before = new Set(box.lvm.fake.volumes.keys())
    await world.start(point)
    await world.failure('VDI.snapshot', disk.ref)
    const made = [...box.lvm.fake.volumes.keys()].find(name => name.startsWith('VHD-') && !before.has(name))
    const base = await baseOf(made?.slice('VHD-'.length))
    await fs.rm(path.join(world.paths.root, 'told'), { force: true })
    await world.start()
    await world.scan()
    const journalled = expected.map(line => `${line} while clone_disk_1`)
    expect(named(await story(), { [disk.uuid]: 'disk', [base]: 'base' })).toEqual(journalled)
  })

  /** Whichever of what was made is the base: the parent of the disk, where it has one. */
  async function baseOf(made: string | undefined): Promise<string> {
    const rows = await world.images()
    const leaf = rows.find(row => row.name === `${disk.uuid}.vhd`)
    const parent = leaf !== undefined && 'parentName' in leaf ? leaf.parentName?.replace(/\.vhd$/, '') : undefined
    return parent ?? made ?? 'none'
  }

  test('keeps the disk from being deleted', async () => {
    await fs.writeFile(path.join(world.paths.root, 'open-disks'), disk.uuid)
    expect((await world.fault('vdi_delete', disk)).code).toBe(24)
    expect(box.lvm.fake.volumes.has(vhdVolume(disk.uuid))).toBe(true)
    await fs.rm(path.join(world.paths.root, 'open-disks'))
    await world.plugin('vdi_delete', disk)
    expect(box.lvm.fake.volumes.has(vhdVolume(disk.uuid))).toBe(false)
  })

  test('that cannot be told keeps a snapshot from being made, and the disk closed until it can', async () => {
    const content = await world.content(disk.uuid)
    await fs.writeFile(path.join(world.paths.root, 'refuses'), '')
    await world.failure('VDI.snapshot', disk.ref)
    expect((await world.record(disk)).sm_config).toHaveProperty('paused')
    await fs.rm(path.join(world.paths.root, 'refuses'))
    await world.scan()
    expect((await world.record(disk)).sm_config).not.toHaveProperty('paused')
    expect(await world.content(disk.uuid)).toEqual(content)
    expect([...box.lvm.fake.volumes.keys()].filter(name => name.startsWith('clone'))).toEqual([])
  })
})
