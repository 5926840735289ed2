import * as fs from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { VolumeJournals } from '../../../lib/journal/VolumeJournals.ts'
import { vhdVolume } from '../../../lib/lvhd/names.ts'
import { EmbeddedVhdUtil } from '../../../lib/vhd/EmbeddedVhdUtil.ts'
import { MIB, type Disk } from '../../support/World.ts'
import type { LvmWorld } from '../../support/LvmWorld.ts'
import { openBox, type Box } from '../../support/lvhdBox.ts'

let box: Box
let world: LvmWorld
let disk: Disk
let other: Disk

beforeEach(async () => {
  box = await openBox({ allocation: 'thin' })
  world = box.world
  disk = await world.createVdi('disk', 16)
  await world.write(disk, 1, 0, 2)
  other = await world.createVdi('other', 8)
})
afterEach(async () => {
  await world.close()
})

const uuids = async () => [...(await world.records()).values()].map(({ uuid }) => uuid).sort()
const entries = async () => [...(await world.metadata()).keys()].sort()

/** Everything that works on a disk is refused with 46. */
async function expectClosed({ ref, uuid }: Disk): Promise<void> {
  const refused = ['SR_BACKEND_FAILURE_46']
  expect(refused).toContain((await world.failure('VDI.destroy', ref))[0])
  expect(refused).toContain((await world.failure('VDI.snapshot', ref))[0])
  expect(refused).toContain((await world.failure('VDI.resize', ref, String(32 * MIB)))[0])
  expect((await world.fault('vdi_activate', { ref, uuid }, { args: ['true'] })).code).toBe(46)
}

describe('a snapshot that can be neither finished nor taken back', () => {
  /** The base has the content; the leaf that has the disk's name cannot be removed. Returns the base's uuid. */
  async function interrupt(): Promise<string> {
    const before = new Set(box.lvm.fake.volumes.keys())
    await world.start('LVHDRT_clone_vdi_after_first_snap')
    await world.failure('VDI.snapshot', disk.ref)
    await world.start()
    box.lvm.fake.held.add(vhdVolume(disk.uuid))
    const base = [...box.lvm.fake.volumes.keys()].find(name => name.startsWith('VHD-') && !before.has(name))
    return (base ?? '').slice('VHD-'.length)
  }

  test('keeps its disk closed, and its base is no disk of its own', async () => {
    const content = await world.content(disk.uuid)
    const base = await interrupt()
    const before = { uuids: await uuids(), entries: await entries() }
    await world.scan()
    expect(await uuids()).toEqual(before.uuids)
    expect(await entries()).toEqual(before.entries)
    expect(await world.content(base)).toEqual(content)
    await expectClosed(disk)
    expect((await world.fault('vdi_delete', { ref: disk.ref, uuid: base })).code).toBe(46)
    box.lvm.fake.held.clear()
    await world.scan()
    expect(await uuids()).toEqual(before.uuids)
    expect(await world.content(disk.uuid)).toEqual(content)
  })

  test('does not hinder other disks, nor the attach of the SR', async () => {
    await interrupt()
    await world.call('VDI.resize', other.ref, String(16 * MIB))
    const copy = await world.snapshot(other)
    await world.call('VDI.destroy', copy.ref)
    await world.plugin('sr_attach', undefined)
    expect(await uuids()).toContain(disk.uuid)
    expect(await entries()).toContain(disk.uuid)
  })

  test('whose leaf holds no VHD yet does not fail the scan of the others', async () => {
    await interrupt()
    const { file } = box.lvm.fake.volumes.get(vhdVolume(disk.uuid)) ?? { file: '' }
    await fs.writeFile(file, Buffer.alloc(4096), { flag: 'r+' })
    await world.call('VDI.resize', other.ref, String(16 * MIB))
    await world.scan()
    expect(await uuids()).toContain(disk.uuid)
    await expectClosed(disk)
  })

  test('whose journal cannot be read keeps every unknown disk from being introduced', async () => {
    await interrupt()
    const journal = [...box.lvm.fake.volumes].find(([name]) => name.startsWith('clone_'))?.[1].file ?? ''
    const before = await uuids()
    await fs.rename(journal, `${journal}.away`)
    await world.scan()
    expect(await uuids()).toEqual(before)
    await expectClosed(disk)
    await fs.rename(`${journal}.away`, journal)
    box.lvm.fake.held.clear()
    await world.scan()
    expect(await uuids()).toEqual(before)
  })
})

test('what is hidden keeps the SR from being deleted as long as a journal may name it', async () => {
  const { group } = world
  await group.activate([vhdVolume(other.uuid)])
  await new EmbeddedVhdUtil(box.lvm.system()).setHidden(group.path(vhdVolume(other.uuid)), true)
  await group.remove(vhdVolume(disk.uuid))
  await new VolumeJournals(group).create('clone', disk.uuid, 'nothing')
  expect((await world.fault('sr_delete', undefined)).code).toBe(39)
  expect([...box.lvm.fake.volumes.keys()]).toContain(vhdVolume(other.uuid))
})

describe('what is tagged as a journal and is none', () => {
  test('closes the disk that it names, and nothing else', async () => {
    await world.group.create(`strange-${disk.uuid}`, 4 * MIB, ['journaler'])
    await world.group.create('clone_x', 4 * MIB, ['journaler'])
    await world.group.create('inflate_x_1', 4 * MIB, ['journaler'])
    await world.scan()
    await expectClosed(disk)
    await world.call('VDI.resize', other.ref, String(16 * MIB))
    await world.call('VDI.destroy', other.ref)
    expect([...box.lvm.fake.volumes.keys()].filter(name => /^(strange|clone|inflate)/.test(name))).toHaveLength(3)
  })
})

test('a disk of a format that is not known keeps its volume, its record and its entry', async () => {
  const { fake } = box.lvm
  const volume = fake.volumes.get(vhdVolume(other.uuid))
  if (volume === undefined) throw new Error('there is no volume')
  await world.group.rename(vhdVolume(other.uuid), `QCOW2-${other.uuid}`)
  await world.editMetadata(other.uuid, { vdiType: 'qcow2' })
  const entry = (await world.metadata()).get(other.uuid)
  await world.call('PBD.unplug', await world.pbd())
  await world.call('PBD.plug', await world.pbd())
  await world.scan()
  expect((await world.metadata()).get(other.uuid)).toEqual(entry)
  expect(await uuids()).toContain(other.uuid)
  expect((await world.failure('VDI.destroy', other.ref))[0]).toBe('SR_BACKEND_FAILURE_66')
  expect([...fake.volumes.keys()]).toContain(`QCOW2-${other.uuid}`)
})
