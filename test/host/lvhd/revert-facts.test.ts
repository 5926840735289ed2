import * as fs from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { cbtVolume, vhdVolume } from '../../../lib/lvhd/names.ts'
import type { LvmWorld } from '../../support/LvmWorld.ts'
import { openBox, type Box } from '../../support/lvhdBox.ts'
import { MIB, type Disk } from '../../support/World.ts'

let box: Box
let world: LvmWorld
let disk: Disk
let snapshot: Disk

beforeEach(async () => {
  box = await openBox({ allocation: 'thin' })
  world = box.world
  disk = await world.createVdi('disk', 16)
  await world.write(disk, 1, 0, 2)
  snapshot = await world.snapshot(disk)
})
afterEach(async () => {
  await world.close()
})

/** Changes the bytes of a disk's VHD. */
async function damage({ uuid }: Disk, change: (image: Buffer) => void): Promise<void> {
  const { file } = box.lvm.fake.volumes.get(vhdVolume(uuid)) ?? { file: '' }
  const image = await fs.readFile(file)
  change(image)
  await fs.writeFile(file, image)
}

/** Gives a block of a VHD that has none the place of one that it has. */
function shareBlock(image: Buffer): void {
  const table = Number(image.readBigUInt64BE(512 + 16))
  const entries = Array.from({ length: 8 }, (_, block) => image.readUInt32BE(table + 4 * block))
  const [present, absent] = [entries.findIndex(entry => entry !== 0xffffffff), entries.indexOf(0xffffffff)]
  image.writeUInt32BE(entries[present] ?? 0, table + 4 * absent)
}

test('a snapshot with data of its own that is not sound is not split (46)', async () => {
  await world.write(snapshot, 7, 4, 2)
  await damage(snapshot, shareBlock)
  const before = { volumes: await world.volumes(), records: await world.records() }
  expect((await world.fault('vdi_revert', snapshot, { args: [disk.ref] })).code).toBe(46)
  expect(await world.volumes()).toEqual(before.volumes)
  expect(await world.records()).toEqual(before.records)
})

/** An empty child that says it was made on another image than the one that has the name. */
function renounceParent(image: Buffer): void {
  const header = image.subarray(512, 512 + 1024)
  header.fill(0xaa, 40, 56)
  header.writeUInt32BE(0, 36)
  header.writeUInt32BE(~header.reduce((sum, byte) => sum + byte, 0) >>> 0, 36)
}

/** Where the parent is to be found no longer agrees with what it is called. */
function spoilLocator(image: Buffer): void {
  const at = image.indexOf('file://')
  expect(at).toBeGreaterThan(0)
  image.write('XXXX', at + 'file://./'.length)
}

test.each([
  ["was made on another image of its parent's name", renounceParent],
  ['is not sound', spoilLocator],
])('a disk that nothing was written to, but that %s, is replaced', async (_what, spoil) => {
  const wanted = await world.content(snapshot.uuid)
  const check = () =>
    world.withSr('vdi_update', disk, async sr => {
      const chain = [disk.uuid, (await world.record(disk)).sm_config['vhd-parent'] ?? '']
      await sr.activator.hold(chain.map(uuid => ({ uuid, volume: vhdVolume(uuid) })))
      await (await sr.vhdUtil()).check(sr.group.path(vhdVolume(disk.uuid)))
    })
  await check()
  await damage(disk, spoil)
  await expect(check()).rejects.toMatchObject({ code: 'EINVAL' })
  await world.revert(snapshot)
  await check()
  expect(await world.content(disk.uuid)).toEqual(wanted)
})

describe('a log of changed blocks', () => {
  const addLog = ({ uuid }: Disk) => world.group.create(cbtVolume(uuid), 4 * MIB, ['cbtlog'])

  test('of the disk refuses its revert (38) and then its deletion too, which xapi asks for next', async () => {
    await world.write(disk, 2, 1, 2)
    await addLog(disk)
    const before = { volumes: await world.volumes(), records: await world.records() }
    expect((await world.fault('vdi_revert', snapshot, { args: [disk.ref] })).code).toBe(38)
    expect((await world.fault('vdi_delete', disk)).code).toBe(38)
    expect(await world.volumes()).toEqual(before.volumes)
    expect(await world.records()).toEqual(before.records)
  })

  test('of the snapshot alone hinders nobody, and stays', async () => {
    await addLog(snapshot)
    for (const splits of [false, true]) {
      await world.write(splits ? snapshot : disk, 3, 4, 2)
      const wanted = await world.content(snapshot.uuid)
      await world.revert(snapshot)
      expect(await world.content(disk.uuid)).toEqual(wanted)
      expect(await world.content(snapshot.uuid)).toEqual(wanted)
      expect([...(await world.volumes()).keys()]).toContain(cbtVolume(snapshot.uuid))
    }
  })

  test('that only the record speaks of hinders nobody: xapi would destroy the disk after a refusal', async () => {
    await world.write(disk, 2, 1, 2)
    await addLog(disk)
    await world.scan()
    await world.group.remove(cbtVolume(disk.uuid))
    expect((await world.record(disk)).cbt_enabled).toBe(true)
    const wanted = await world.content(snapshot.uuid)
    await world.revert(snapshot)
    expect(await world.content(disk.uuid)).toEqual(wanted)
  })
})
