import * as fs from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { JOURNAL_TAG, rawVolume, RESIZE_JOURNAL_TAG, vhdVolume } from '../../../lib/lvhd/names.ts'
import { EmbeddedVhdUtil } from '../../../lib/vhd/EmbeddedVhdUtil.ts'
import { goldenCases, goldenFile } from '../../conformance/vhdGolden.ts'
import { expectConsistent } from '../../crash/harness.ts'
import { openBox, type Box } from '../../support/lvhdBox.ts'
import type { LvmWorld } from '../../support/LvmWorld.ts'
import { MIB, type Disk } from '../../support/World.ts'

/** What a volume group may hold that another storage manager had, and what the next scan makes of it. */

const STRANGER = '11111111-1111-4111-8111-111111111111'
const OTHER = '22222222-2222-4222-8222-222222222222'
const EMPTY_VHD = 8 * MIB

let box: Box
let world: LvmWorld
beforeEach(async () => {
  box = await openBox({ allocation: 'thick' })
  world = box.world
})
afterEach(async () => {
  await world.close()
})

/** A volume as a host leaves it that is done with it: inactive. */
async function makeVolume(name: string, { size = 4 * MIB, tag }: { size?: number; tag?: string } = {}): Promise<void> {
  await world.group.create(name, size, tag === undefined ? [] : [tag])
  await world.group.deactivate([name])
}

async function write(name: string, bytes: Buffer, position = 0): Promise<void> {
  const { group } = world
  await group.activate([name])
  const { files } = group.lvm.deps.system
  await files.using(files.openWrite(group.path(name)), async file => {
    await file.write(bytes, position)
    await file.sync()
  })
  await group.deactivate([name])
}

/** Changes a VHD as the reference's tools do. */
async function withTool(name: string, act: (tool: EmbeddedVhdUtil, path: string) => Promise<unknown>): Promise<void> {
  const { group } = world
  await group.activate([name])
  await act(new EmbeddedVhdUtil(group.lvm.deps.system, { group: group.name }), group.path(name))
  await group.deactivate([name])
}

async function makeVhd(name: string): Promise<void> {
  await makeVolume(name, { size: EMPTY_VHD })
  await withTool(name, (tool, path) => tool.create(path, 4 * MIB, { maxSize: 2 * 1024 * 1024 * MIB }))
}

async function uuids(): Promise<string[]> {
  return [...(await world.records()).values()].map(({ uuid }) => uuid).sort()
}

async function volumeNames(): Promise<string[]> {
  return [...(await world.volumes()).keys()].sort()
}

describe('a group whose records are lost', () => {
  /** References are drawn anew, and of what a disk is a snapshot is told by uuid. */
  const facts = async () => {
    const records = await world.records()
    const all = [...records.values()].map(record => ({
      ...record,
      snapshot_of: records.get(record.snapshot_of)?.uuid ?? '',
      other_config: {},
    }))
    return all.sort((one, other) => (one.uuid < other.uuid ? -1 : 1))
  }

  test('has them again after a scan, from its volumes and its metadata', async () => {
    const disk = await world.createVdi('größe & <"Ünïcode"> 磁盘 🖴', 16)
    await world.call('VDI.set_name_description', disk.ref, 'zwölf Böxkämpfer & Söhne\n'.repeat(6).trim())
    await world.plugin('vdi_update', disk)
    await world.write(disk, 1, 0, 2)
    const snapshot = await world.snapshot(disk)
    await world.plugin('vdi_update', snapshot)
    const raw = await world.createVdi('raw', 8, { type: 'raw' })
    await world.call('VDI.remove_from_sm_config', raw.ref, 'type')
    // Its volume becomes a hidden base, with a leaf that has its uuid.
    await world.plugin('vdi_update', await world.snapshot(raw))
    await world.plugin('vdi_update', await world.clone(snapshot))
    await world.scan()
    const [before, volumes] = [await facts(), await volumeNames()]
    await world.loseRecords()
    await world.scan()
    expect(await facts()).toEqual(before)
    expect(await volumeNames()).toEqual(volumes)
    await expectConsistent(world, 'afterwards')
  })

  test('without metadata too, but for names and what is a snapshot of what', async () => {
    const disk = await world.createVdi('disk', 16)
    await world.snapshot(disk)
    await world.scan()
    const storage = ({
      uuid,
      virtual_size,
      managed,
      read_only,
      sm_config,
    }: Awaited<ReturnType<typeof facts>>[number]) => ({
      ...{ uuid, virtual_size, managed, read_only, sm_config },
    })
    const before = (await facts()).map(storage)
    await world.loseRecords()
    await world.group.remove('MGT')
    await world.scan()
    expect((await facts()).map(storage)).toEqual(before)
    expect((await world.volumes()).get('MGT')?.size).toBe(4 * MIB)
    await expectConsistent(world, 'afterwards')
  })

  test('with more entries than one read of the metadata would show', { timeout: 120_000 }, async () => {
    const disks: Disk[] = []
    for (let n = 0; n < 40; n += 1) disks.push(await world.createVdi(`disk ${n}`, 2, { type: 'raw' }))
    for (const { ref } of disks.splice(10, 10)) await world.call('VDI.destroy', ref)
    const again = await world.createVdi('in the place of a deleted one', 2)
    const before = await facts()
    await world.loseRecords()
    await world.scan()
    const labels = (records: Awaited<ReturnType<typeof facts>>) =>
      records.map(({ uuid, name_label }) => [uuid, name_label])
    expect(labels(await facts())).toEqual(labels(before))
    expect(labels(await facts())).toContainEqual([again.uuid, 'in the place of a deleted one'])
  })
})

describe('volumes that are no disks', () => {
  let disk: Disk
  beforeEach(async () => {
    disk = await world.createVdi('disk', 4)
  })

  test.each([
    ['a name of nobody', 'scratch', undefined],
    ['a tag of nobody', 'revert', 'somebody'],
    ['a journal of a type that is not known, of a disk that is not there', `later_${STRANGER}_1`, JOURNAL_TAG],
    ['the journal of a relink', `relink_${STRANGER}_1`, JOURNAL_TAG],
  ])('%s: it stays, and nothing is introduced', async (_what, name, tag) => {
    await makeVolume(name, tag === undefined ? {} : { tag })
    await world.scan()
    expect(await uuids()).toEqual([disk.uuid])
    expect(await volumeNames()).toContain(name)
  })

  test.each(['clone', 'leaf'])('a %s journal whose text was never written: it goes', async type => {
    await makeVolume(`${type}_${disk.uuid}_1`, { tag: JOURNAL_TAG })
    const content = await world.content(disk.uuid)
    await world.scan()
    expect(await volumeNames()).toEqual(['MGT', vhdVolume(disk.uuid)])
    expect(await world.content(disk.uuid)).toEqual(content)
  })

  test('a journal of the collector for a disk closes the disk, and stays', async () => {
    await makeVolume(`coalesce_${disk.uuid}_1`, { tag: JOURNAL_TAG })
    await world.scan()
    expect(await volumeNames()).toContain(`coalesce_${disk.uuid}_1`)
    expect((await world.fault('vdi_activate', disk, { args: ['true'] })).code).toBe(46)
  })
})

describe('VHDs that nobody knows', () => {
  test('a visible one is introduced, a hidden leaf is not, and neither is removed', async () => {
    await makeVhd(vhdVolume(STRANGER))
    await makeVhd(vhdVolume(OTHER))
    await withTool(vhdVolume(OTHER), (tool, path) => tool.setHidden(path, true))
    await world.scan()
    expect(await uuids()).toEqual([STRANGER])
    expect(await volumeNames()).toEqual(['MGT', vhdVolume(STRANGER), vhdVolume(OTHER)])
  })

  test.each(['visible', 'hidden', 'never written'])(
    'a leaf that was being replaced, %s, is passed over',
    async state => {
      const name = vhdVolume(`OLD_${STRANGER}`)
      await (state === 'never written' ? makeVolume(name) : makeVhd(name))
      if (state === 'hidden') await withTool(name, (tool, path) => tool.setHidden(path, true))
      await world.scan()
      expect(await uuids()).toEqual([])
      expect(await volumeNames()).toContain(name)
    },
  )

  test('two volumes of one disk are told (65), and none of them is touched', async () => {
    const disk = await world.createVdi('disk', 4)
    await makeVolume(rawVolume(disk.uuid))
    expect((await world.fault('vdi_resize', disk, { args: [String(8 * MIB)] })).code).toBe(65)
    expect(await volumeNames()).toEqual([rawVolume(disk.uuid), 'MGT', vhdVolume(disk.uuid)])
  })
})

describe('a disk that was being enlarged', () => {
  test.each(['create_journal', 'setSize', 'zeroOut', 'setSizePhys'])('stopped after %s, is as it was', async step => {
    const disk = await world.createVdi('disk', 4)
    await world.write(disk, 1, 0, 2)
    const [content, volumes] = [await world.content(disk.uuid), await world.volumes()]
    await world.start(`LVHDRT_inflate_after_${step}`)
    await world.failure('VDI.resize', disk.ref, String(64 * MIB))
    await world.start()
    await world.scan()
    expect(await world.content(disk.uuid)).toEqual(content)
    expect([...(await world.volumes()).values()].map(({ name, size }) => [name, size])).toEqual(
      [...volumes.values()].map(({ name, size }) => [name, size]),
    )
    await expectConsistent(world, step)
  })
})

describe('a disk whose tables were being moved by vhd-util', () => {
  const cases = goldenCases().filter(
    ({ name, revert }) => name.startsWith('resize-interrupted-') && revert !== undefined,
  )

  test.each(cases)('$name: it has its content and size again, and the journal is gone', async golden => {
    const { guestSha256After, virtualSizeAfter } = golden.revert ?? {}
    const image = goldenFile(golden, 'd.vhd')
    await makeVolume(vhdVolume(STRANGER), { size: 16 * MIB })
    await write(vhdVolume(STRANGER), image.subarray(0, image.length - 512))
    // On a volume the footer is at its end.
    await write(vhdVolume(STRANGER), image.subarray(image.length - 512), 16 * MIB - 512)
    await makeVolume(`jvhd_${STRANGER}`, { size: 8 * MIB, tag: RESIZE_JOURNAL_TAG })
    await write(`jvhd_${STRANGER}`, goldenFile(golden, 'jrn'))
    await world.scan()
    expect(await volumeNames()).toEqual(['MGT', vhdVolume(STRANGER)])
    expect(await world.content(STRANGER)).toEqual({ sha256: guestSha256After, size: virtualSizeAfter })
    await expectConsistent(world, golden.name)
  })

  test('and cannot be mended stays as read-only as it was, with its journal', async () => {
    await makeVolume(vhdVolume(STRANGER), { size: 16 * MIB })
    await write(vhdVolume(STRANGER), Buffer.alloc(MIB, 'no disk'))
    await world.group.setWritable(vhdVolume(STRANGER), false)
    await makeVolume(`jvhd_${STRANGER}`, { size: 8 * MIB, tag: RESIZE_JOURNAL_TAG })
    await world.scan()
    expect((await world.volumes()).get(vhdVolume(STRANGER))?.writable).toBe(false)
    expect(await volumeNames()).toContain(`jvhd_${STRANGER}`)
  })
})

describe('a snapshot that is being taken back', () => {
  test.each(['before', 'after'])('and stopped %s that, is taken back by the next command', async moment => {
    const disk = await world.createVdi('disk', 16)
    await world.write(disk, 1, 0, 2)
    const [content, volumes] = [await world.content(disk.uuid), await volumeNames()]
    await world.start(`LVHDRT_clone_vdi_after_first_snap=EIO,LVHDRT_clone_vdi_${moment}_undo_clone`)
    await world.failure('VDI.snapshot', disk.ref)
    expect((await volumeNames()).filter(name => name.startsWith('clone_'))).toHaveLength(1)
    await world.start()
    await world.scan()
    expect(await world.content(disk.uuid)).toEqual(content)
    expect(await volumeNames()).toEqual(volumes)
    await expectConsistent(world, moment)
  })
})

describe('a raw disk in a snapshot', () => {
  test.each([
    ['LVHDRT_clone_vdi_after_create_journal', 'aio'],
    ['LVHDRT_clone_vdi_after_shrink_parent', 'aio'],
    ['LVHDRT_clone_vdi_after_lvcreate', 'aio'],
    ['LVHDRT_clone_vdi_after_first_snap', 'aio'],
    ['LVHDRT_clone_vdi_after_parent_hidden', 'vhd'],
    ['LVHDRT_clone_vdi_before_remove_journal', 'vhd'],
  ])('stopped at %s: it is %s, with its content', async (point, type) => {
    const raw = await world.createVdi('raw', 8, { type: 'raw' })
    await world.call('VDI.remove_from_sm_config', raw.ref, 'type')
    await write(rawVolume(raw.uuid), Buffer.alloc(MIB, 7), MIB)
    const content = await world.content(raw.uuid)
    await world.start(point)
    await world.failure('VDI.snapshot', raw.ref)
    await fs.rm(`${world.paths.runtime}/paused`, { recursive: true, force: true })
    await world.start()
    await world.scan()
    expect(await world.content(raw.uuid)).toEqual(content)
    expect((await world.record(raw)).sm_config['vdi_type']).toBe(type)
    const bases = [...(await world.volumes()).values()].filter(({ tags }) => tags.includes('hidden'))
    expect(bases.map(({ name, writable }) => [name.slice(0, 3), writable])).toEqual(
      type === 'vhd' ? [['LV-', false]] : [],
    )
    await expectConsistent(world, point)
  })
})
