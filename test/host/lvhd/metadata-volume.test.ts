import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { dispatch } from '../../../drivers/dispatch.ts'
import { MetadataVolume } from '../../../lib/lvhd/MetadataVolume.ts'
import { encodeEntry, encodeHeader, ENTRIES_START, ENTRY_SIZE } from '../../../lib/lvhd/metadata.ts'
import { METADATA_VOLUME } from '../../../lib/lvhd/names.ts'
import type { LvmWorld } from '../../support/LvmWorld.ts'
import { openBox, type Box } from '../../support/lvhdBox.ts'
import { MIB, type Disk } from '../../support/World.ts'

let box: Box
let world: LvmWorld
let disk: Disk
let snapshot: Disk
let old: unknown
let wanted: unknown

/** A snapshot with data of its own, which a revert has to split. */
beforeEach(async () => {
  box = await openBox({ allocation: 'thin' })
  world = box.world
  disk = await world.createVdi('disk', 16)
  await world.write(disk, 1, 0, 2)
  snapshot = await world.snapshot(disk)
  await world.write(snapshot, 7, 4, 2)
  await world.write(disk, 2, 0, 1)
  await world.scan()
  ;[old, wanted] = [await world.content(disk.uuid), await world.content(snapshot.uuid)]
})
afterEach(async () => {
  await world.close()
})

const ENTRIES = 4094

/** Adds entries of VDIs that nobody knows until no more fit. Returns how many there were. */
async function fillMetadata(): Promise<number> {
  const known = (await world.metadata()).size
  const [like] = (await world.metadata()).values()
  if (like === undefined) throw new Error('there is no entry')
  const entries = Array.from({ length: ENTRIES - known }, (_none, index) =>
    encodeEntry({ ...like, uuid: `0e000000-0000-4000-8000-${String(index).padStart(12, '0')}` }),
  )
  await writeMetadata([Buffer.concat(entries), ENTRIES_START + known * ENTRY_SIZE], headerFor(ENTRIES))
  expect(await new MetadataVolume(world.group).hasRoom()).toBe(false)
  return known
}

const headerFor = (entries: number) => [encodeHeader(ENTRIES_START + entries * ENTRY_SIZE), 0] as const

async function writeMetadata(...writes: readonly (readonly [bytes: Buffer, position: number])[]): Promise<void> {
  const { group } = world
  const { files } = group.lvm.deps.system
  await group.activate([METADATA_VOLUME])
  await files.using(files.openWrite(group.path(METADATA_VOLUME)), async file => {
    for (const [bytes, position] of writes) await file.write(bytes, position)
    await file.sync()
  })
}

const journals = () => [...box.lvm.fake.volumes.keys()].filter(name => name.startsWith('clone_'))

describe('a metadata volume without room for a base copy', () => {
  test('refuses a revert that needs one before anything changes (82)', async () => {
    await fillMetadata()
    const before = { volumes: await world.volumes(), records: await world.records() }
    box.lvm.fake.takeCommands()
    const fault = await world.fault('vdi_revert', snapshot, { args: [disk.ref] })
    expect(fault).toMatchObject({ code: 82, message: expect.stringContaining('revert: ') as string })
    expect(box.lvm.fake.takeCommands()).toEqual(['lvm'])
    expect(await world.volumes()).toEqual(before.volumes)
    expect(await world.records()).toEqual(before.records)
  })

  test('hinders no revert that needs none', async () => {
    await world.revert(snapshot)
    await world.write(disk, 3, 2, 1)
    await fillMetadata()
    await world.revert(snapshot)
    expect(await world.content(disk.uuid)).toEqual(wanted)
  })

  test('does not keep recovery from finishing a split; a scan adds the entry once there is room', async () => {
    await world.start('LVM_revert_create_src')
    expect((await world.failure('VDI.revert', snapshot.ref))[1]).toBe('received signal: SIGKILL')
    await world.start()
    expect(journals()).toHaveLength(1)
    const known = await fillMetadata()
    await world.plugin('vdi_update', snapshot)
    expect(journals()).toEqual([])
    const base = (await world.record(snapshot)).sm_config['vhd-parent'] ?? ''
    expect([...(await world.metadata()).keys()]).not.toContain(base)
    expect(await world.content(snapshot.uuid)).toEqual(wanted)
    expect(await world.content(disk.uuid)).toEqual(old)
    await writeMetadata(headerFor(known))
    await world.scan()
    await world.revert(snapshot)
    expect(await world.content(disk.uuid)).toEqual(wanted)
    expect([...(await world.metadata()).keys()]).toContain(base)
  })
})

describe('a metadata volume that is lost and that a full group has no room for', () => {
  async function lose(): Promise<void> {
    const { group } = world
    await group.remove(METADATA_VOLUME)
    await group.create('filler', (await group.report()).free)
  }

  test('refuses what needs it (181)', async () => {
    await lose()
    for (const [command, on] of [
      ['sr_scan', undefined],
      ['vdi_update', disk],
      ['vdi_snapshot', disk],
    ] as const) {
      expect((await world.fault(command, on)).code, command).toBe(181)
    }
    expect((await world.fault('vdi_revert', snapshot, { args: [disk.ref] })).code).toBe(181)
    expect(await world.content(disk.uuid)).toEqual(old)
  })

  test('hinders neither an attach nor the deletion of a disk, after which it is made again', async () => {
    await lose()
    await world.call('PBD.unplug', await world.pbd())
    await world.call('PBD.plug', await world.pbd())
    await world.call('VDI.destroy', snapshot.ref)
    expect([...(await world.volumes()).keys()]).not.toContain(METADATA_VOLUME)
    await world.scan()
    const known = [...(await world.records()).values()].map(({ uuid }) => uuid)
    expect(known).toContain(disk.uuid)
    expect([...(await world.metadata()).keys()].sort()).toEqual(known.sort())
    expect(await world.content(disk.uuid)).toEqual(old)
  })

  test('is made by the scan that finds the group grown', async () => {
    await lose()
    expect((await world.fault('sr_scan', undefined)).code).toBe(181)
    await world.withSr('sr_scan', disk, async sr => {
      sr.refreshDevices = () => {
        box.lvm.fake.free += 4 * MIB
        sr.group.forget()
        return Promise.resolve()
      }
      await dispatch(sr, 'sr_scan', sr.context.request)
    })
    expect([...(await world.volumes()).keys()]).toContain(METADATA_VOLUME)
  })

  test('does not keep an interrupted revert from being taken back', async () => {
    await world.start('LVM_revert_before_commit')
    expect((await world.failure('VDI.revert', snapshot.ref))[1]).toBe('received signal: SIGKILL')
    await world.start()
    expect(journals()).toHaveLength(1)
    await lose()
    await world.plugin('sr_scan', undefined)
    expect(journals()).toEqual([])
    expect(await world.content(disk.uuid)).toEqual(old)
  })
})
