import * as fs from 'node:fs/promises'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { deflate } from '../../../lib/lvhd/inflate.ts'
import { rawVolume, vhdVolume } from '../../../lib/lvhd/names.ts'
import { EmbeddedVhdUtil } from '../../../lib/vhd/EmbeddedVhdUtil.ts'
import { expectConsistent } from '../../crash/harness.ts'
import type { LvmWorld } from '../../support/LvmWorld.ts'
import { MIB, type Disk } from '../../support/World.ts'
import { openBox, type Box } from '../../support/lvhdBox.ts'

let box: Box
let world: LvmWorld
let disk: Disk
let snapshot: Disk
let old: { sha256: string; size: number }
let wanted: { sha256: string; size: number }

beforeEach(async () => {
  box = await openBox({ allocation: 'thick' })
  world = box.world
  disk = await world.createVdi('disk', 16)
  await world.write(disk, 1, 0, 2)
  ;[snapshot, wanted] = [await world.snapshot(disk), await world.content(disk.uuid)]
  await world.write(disk, 2, 1, 2)
  old = await world.content(disk.uuid)
})
afterEach(async () => {
  await world.close()
})

/** The revert fails with this fault of the plugin, and nothing has changed. */
async function expectRefused(code: number): Promise<string> {
  const before = { volumes: await world.volumes(), records: await world.records() }
  const fault = await world.fault('vdi_revert', snapshot, { args: [disk.ref] })
  expect(fault.code, fault.message).toBe(code)
  expect(await world.volumes()).toEqual(before.volumes)
  expect(await world.records()).toEqual(before.records)
  return fault.message
}

async function fillUpTo(freeMib: number): Promise<void> {
  const { free } = await world.group.report()
  await world.group.create('filler', free - freeMib * MIB)
}

describe('is refused before anything changes', () => {
  test.each([
    ['paused', 'true', 46],
    ['activating', 'True', 46],
  ])('while another operation holds the disk: %s', async (key, value, code) => {
    await world.call('VDI.add_to_sm_config', disk.ref, key, value)
    await expectRefused(code)
  })

  test('while a host has the disk open (24), but not for what a host has forgotten', async () => {
    const key = `host_${await world.host()}`
    await world.call('VDI.add_to_sm_config', disk.ref, key, 'RW')
    await fs.writeFile(path.join(world.paths.root, 'open-disks'), disk.uuid)
    await expectRefused(24)
    await fs.rm(path.join(world.paths.root, 'open-disks'))
    await world.revert(snapshot)
    expect((await world.record(disk)).sm_config).not.toHaveProperty(key)
  })

  test('while somebody has the volume open (24)', async () => {
    box.lvm.fake.held.add(vhdVolume(disk.uuid))
    await expectRefused(24)
  })

  test('for raw disks that were asked for (38)', async () => {
    const raw = await world.createVdi('raw', 4, { type: 'raw' })
    const fault = await world.fault('vdi_revert', snapshot, { args: [raw.ref] })
    expect(fault.code).toBe(38)
  })

  test('for a disk whose format is not known (66)', async () => {
    await world.group.create(`QCOW2-${disk.uuid}`, 4 * MIB)
    await expectRefused(66)
  })

  test('for another snapshot (66), itself (1) and a disk that is not there (144)', async () => {
    const other = await world.snapshot(disk)
    for (const [target, code] of [
      [other.ref, 66],
      [snapshot.ref, 1],
      ['OpaqueRef:gone', 144],
    ] as const) {
      expect((await world.fault('vdi_revert', snapshot, { args: [target] })).code).toBe(code)
    }
  })

  test('where the snapshot cannot be read, or a part of its chain (46)', async () => {
    const parent = (await world.record(snapshot)).sm_config['vhd-parent'] ?? ''
    for (const uuid of [snapshot.uuid, parent]) {
      const { file } = box.lvm.fake.volumes.get(vhdVolume(uuid)) ?? { file: '' }
      const content = await fs.readFile(file)
      await fs.writeFile(file, Buffer.concat([Buffer.alloc(4096), content.subarray(4096)]))
      await expectRefused(46)
      await fs.writeFile(file, content)
    }
    await world.revert(snapshot)
    expect(await world.content(disk.uuid)).toEqual(wanted)
  })

  test('with one extent less than the metadata of the new leaf takes (44)', async () => {
    await fillUpTo(8)
    expect(await expectRefused(44)).toContain(`${12 * MIB} bytes are needed, ${8 * MIB} are free`)
  })

  test('with two volumes of one disk (65)', async () => {
    await world.group.create(rawVolume(disk.uuid), 4 * MIB)
    await expectRefused(65)
  })
})

test('needs no more free space than the metadata of the new leaf, and gives it back', async () => {
  await fillUpTo(12)
  const { size } = (await world.volumes()).get(vhdVolume(disk.uuid)) ?? { size: 0 }
  await world.revert(snapshot)
  expect(await world.content(disk.uuid)).toEqual(wanted)
  expect((await world.volumes()).get(vhdVolume(disk.uuid))?.size).toBe(size)
  expect((await world.group.report()).free).toBe(12 * MIB)
})

describe('in a thick SR a disk that grows', () => {
  /** Cuts the disk's volume to what its image needs. */
  async function deflateDisk(): Promise<Disk> {
    const volume = vhdVolume(disk.uuid)
    await world.withSr('vdi_update', disk, async ({ group, activator }) => {
      await activator.hold([{ uuid: disk.uuid, volume }])
      const vhd = new EmbeddedVhdUtil(box.lvm.system())
      await deflate({ group, vhd }, volume, await vhd.physicalSize(group.path(volume)))
    })
    return snapshot
  }

  async function writeSnapshot(): Promise<Disk> {
    await world.write(snapshot, 7, 4, 2)
    return deflateDisk()
  }

  async function declareLarger(): Promise<Disk> {
    const larger = await world.createVdi('larger', 64)
    await world.write(larger, 5, 30, 2)
    return world.declareSnapshot(await world.snapshot(larger), disk)
  }

  test.each([
    ['to its full size', deflateDisk, { old: 12, full: 24, needed: 20 }],
    ['to its full size, the snapshot being split', writeSnapshot, { old: 12, full: 24, needed: 28 }],
    ['to the size of the snapshot', declareLarger, { old: 24, full: 72, needed: 56 }],
  ])('%s needs room for that and for two journals', async (_how, prepare, { old: oldSize, full, needed }) => {
    const from = await prepare()
    const sizeOf = async () => ((await world.volumes()).get(vhdVolume(disk.uuid))?.size ?? 0) / MIB
    expect(await sizeOf()).toBe(oldSize)
    await world.scan()
    await world.save()
    await fillUpTo(needed - 4)
    expect((await world.fault('vdi_revert', from, { args: [disk.ref] })).code).toBe(44)
    expect(await world.content(disk.uuid)).toEqual(old)
    await world.restore()
    await fillUpTo(needed)
    await world.revert(from)
    expect(await world.content(disk.uuid)).toEqual(await world.content(from.uuid))
    expect(await sizeOf()).toBe(full)
    expect((await world.record(disk)).sm_config).not.toHaveProperty('paused')
    await world.scan()
    await world.group.remove('filler')
    await expectConsistent(world, 'afterwards')
  })
})

test('replaces a disk whose own image is damaged', async () => {
  const { file } = box.lvm.fake.volumes.get(vhdVolume(disk.uuid)) ?? { file: '' }
  await fs.writeFile(file, Buffer.alloc(4096), { flag: 'r+' })
  await world.revert(snapshot)
  expect(await world.content(disk.uuid)).toEqual(wanted)
  await world.scan()
  await expectConsistent(world, 'afterwards')
})

test('done twice changes nothing the second time', async () => {
  await world.revert(snapshot)
  const volumes = await world.volumes()
  box.lvm.fake.takeCommands()
  await world.revert(snapshot)
  expect(box.lvm.fake.takeCommands()).toEqual(['lvm'])
  expect(await world.volumes()).toEqual(volumes)
})

test('turns a raw disk that may become one into a VHD', async () => {
  const raw = await world.createVdi('raw', 16, { type: 'raw' })
  await world.call('VDI.remove_from_sm_config', raw.ref, 'type')
  const from = await world.declareSnapshot(snapshot, raw)
  await world.revert(from)
  expect(await world.content(raw.uuid)).toEqual(wanted)
  expect((await world.record(raw)).sm_config['vdi_type']).toBe('vhd')
  expect([...(await world.volumes()).keys()]).not.toContain(rawVolume(raw.uuid))
  await world.scan()
  await expectConsistent(world, 'afterwards')
})

test('splits a raw snapshot: its volume becomes a hidden base', async () => {
  const raw = await world.createVdi('raw', 16, { type: 'raw' })
  await world.call('VDI.remove_from_sm_config', raw.ref, 'type')
  const from = await world.declareSnapshot(raw, disk)
  const content = await world.content(raw.uuid)
  await world.revert(from)
  expect(await world.content(disk.uuid)).toEqual(content)
  expect(await world.content(raw.uuid)).toEqual(content)
  const base = [...(await world.volumes()).values()].find(({ name }) => name.startsWith('LV-'))
  expect(base).toMatchObject({ tags: ['hidden'], writable: false })
})

test('copies the identity of the content, and no wrong one stays', async () => {
  for (const [{ ref }, content] of [
    [disk, 'old'],
    [snapshot, 'new'],
  ] as const) {
    await world.call('VDI.remove_from_other_config', ref, 'content_id')
    await world.call('VDI.add_to_other_config', ref, 'content_id', content)
  }
  await world.revert(snapshot)
  expect((await world.record(disk)).other_config['content_id']).toBe('new')
})

test('goes back where the old volume cannot be removed (24)', async () => {
  const known = new Set((await world.volumes()).keys())
  // The old volume is open under its new name; so nobody saw it before.
  box.lvm.fake.held.has = name => name.startsWith('VHD-') && !known.has(name) && !isNew(name)
  const isNew = (name: string) => !box.lvm.fake.volumes.has(vhdVolume(disk.uuid)) || name === vhdVolume(disk.uuid)
  const fault = await world.fault('vdi_revert', snapshot, { args: [disk.ref] })
  expect(fault.code).toBe(24)
  expect(await world.content(disk.uuid)).toEqual(old)
  expect([...(await world.volumes()).keys()].sort()).toEqual([...known].sort())
  await world.scan()
  await expectConsistent(world, 'afterwards')
})
