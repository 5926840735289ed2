import { readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EmbeddedVhdUtil } from '../../../lib/vhd/EmbeddedVhdUtil.ts'
import { emptyChildBytes } from '../../../lib/vhd/revert-plan.ts'
import { MIB, World, type Disk } from '../../support/World.ts'
import { expectConsistent } from '../../crash/harness.ts'

describe('reverting a disk in place', () => {
  let world: World
  beforeAll(async () => {
    world = await World.create()
  })
  afterAll(async () => {
    await world.close()
  })

  /** A disk with data, its snapshot, and newer data in the disk. */
  async function snapshotted(): Promise<{ disk: Disk; snapshot: Disk; old: { sha256: string; size: number } }> {
    const disk = await world.createVdi('disk', 8)
    await world.write(disk, 1, 0, 2)
    const old = await world.content(disk.uuid)
    const snapshot = await world.snapshot(disk)
    await world.write(disk, 2, 1, 3)
    return { disk, snapshot, old }
  }

  test('gives it the content and size of each snapshot in turn, and leaves the snapshots alone', async () => {
    const disk = await world.createVdi('disk', 16)
    await world.write(disk, 1, 0, 3)
    const before = await world.content(disk.uuid)
    const first = await world.snapshot(disk)
    await world.write(disk, 2, 1, 6)
    await world.call('VDI.resize', disk.ref, String(24 * MIB))
    const grown = await world.content(disk.uuid)
    const second = await world.snapshot(disk)
    await world.write(disk, 3, 5, 4)

    for (const [snapshot, content] of [
      [first, before],
      [second, grown],
      [second, grown],
      [first, before],
    ] as const) {
      await world.revert(snapshot)
      expect(await world.content(disk.uuid)).toEqual(content)
      expect((await world.record(disk)).virtual_size).toBe(content.size)
    }
    expect(await world.content(first.uuid)).toEqual(before)
    expect(await world.content(second.uuid)).toEqual(grown)
    await world.scan()
    await expectConsistent(world, 'after the reverts')
  })

  test('walks a tree of snapshots back and forth', async () => {
    const disk = await world.createVdi('tree', 8)
    const contents: { sha256: string; size: number }[] = []
    const snapshots: Disk[] = []
    const take = async (seed: number) => {
      await world.write(disk, seed, seed, 1)
      contents.push(await world.content(disk.uuid))
      snapshots.push(await world.snapshot(disk))
    }
    const goTo = async (index: number) => {
      const snapshot = snapshots[index]
      if (snapshot === undefined) throw new Error('no such snapshot')
      await world.revert(snapshot)
      expect(await world.content(disk.uuid)).toEqual(contents[index])
    }
    await take(1)
    await take(2)
    await goTo(0)
    await take(3)
    for (const index of [0, 1, 2, 0, 0]) await goTo(index)
    await world.write(disk, 7, 4, 1)
    await goTo(2)
    for (const [index, snapshot] of snapshots.entries())
      expect(await world.content(snapshot.uuid)).toEqual(contents[index])
  })

  test('keeps uuid, location, reference, name and the keys that belong to others', async () => {
    const { disk, snapshot } = await snapshotted()
    await world.call('VDI.set_name_label', disk.ref, 'kept')
    await world.call('VDI.add_to_sm_config', disk.ref, 'read-caching-enabled-on-x', 'true')
    await world.call('VDI.add_to_sm_config', disk.ref, 'vhd-blocks', 'stale')
    await world.call('VDI.add_to_sm_config', disk.ref, 'key_hash', 'stale')
    await world.call('VDI.add_to_other_config', disk.ref, 'mine', 'yes')
    await world.call('VDI.remove_from_other_config', snapshot.ref, 'content_id')
    await world.call('VDI.add_to_other_config', snapshot.ref, 'content_id', 'of-the-snapshot')
    const before = await world.record(disk)
    await world.revert(snapshot)
    const after = await world.record(disk)
    expect(after).toMatchObject({ uuid: before.uuid, location: before.location, name_label: 'kept', read_only: false })
    expect(after.other_config).toEqual({ mine: 'yes', content_id: 'of-the-snapshot' })
    const parent = (await world.record(snapshot)).sm_config['vhd-parent']
    expect(after.sm_config).toEqual({ 'read-caching-enabled-on-x': 'true', 'vhd-parent': parent })
    expect(after.physical_utilisation).toBe((await stat(world.vhd(disk.uuid))).size)
    expect(await world.call('VDI.get_snapshot_of', snapshot.ref)).toBe(disk.ref)
  })

  test('makes a base copy of a snapshot that was written to', async () => {
    const { disk, snapshot } = await snapshotted()
    await world.write(snapshot, 5, 3, 1)
    const wanted = await world.content(snapshot.uuid)
    const parent = (await world.record(snapshot)).sm_config['vhd-parent']
    await world.revert(snapshot)
    expect(await world.content(disk.uuid)).toEqual(wanted)
    expect(await world.content(snapshot.uuid)).toEqual(wanted)
    const base = (await world.record(disk)).sm_config['vhd-parent']
    expect((await world.record(snapshot)).sm_config['vhd-parent']).toBe(base)
    const record = await world.xapi.vdiGetRecord(await world.xapi.vdiGetByUuid(base ?? ''))
    expect(record).toMatchObject({ name_label: 'base copy', managed: false, read_only: true })
    expect(record.sm_config['vhd-parent']).toBe(parent)
    await world.write(disk, 6, 0, 1)
    expect(await world.content(snapshot.uuid)).toEqual(wanted)
  })

  test('writes nothing where the disk is an untouched child already, but corrects its record', async () => {
    const { disk, snapshot } = await snapshotted()
    await world.revert(snapshot)
    const before = await stat(world.vhd(disk.uuid), { bigint: true })
    await world.call('VDI.add_to_sm_config', disk.ref, 'vhd-blocks', 'stale')
    await world.revert(snapshot)
    const after = await stat(world.vhd(disk.uuid), { bigint: true })
    expect([after.ino, after.mtimeNs]).toEqual([before.ino, before.mtimeNs])
    expect((await world.record(disk)).sm_config).not.toHaveProperty('vhd-blocks')
  })

  test('takes the target by uuid too', async () => {
    const { disk, snapshot, old } = await snapshotted()
    expect(await world.plugin('vdi_revert', snapshot, { args: [disk.uuid] })).toContain('<nil/>')
    expect(await world.content(disk.uuid)).toEqual(old)
  })

  test('repairs a disk whose own image is broken', async () => {
    const { disk, snapshot, old } = await snapshotted()
    await writeFile(world.vhd(disk.uuid), 'no VHD at all')
    await world.revert(snapshot)
    expect(await world.content(disk.uuid)).toEqual(old)
  })

  test("repairs a disk that nothing was written to, but that was made on another image of its parent's name", async () => {
    const { disk, snapshot, old } = await snapshotted()
    await world.revert(snapshot)
    const image = await readFile(world.vhd(disk.uuid))
    const header = image.subarray(512, 512 + 1024)
    header.fill(0xaa, 40, 56)
    header.writeUInt32BE(0, 36)
    header.writeUInt32BE(~header.reduce((sum, byte) => sum + byte, 0) >>> 0, 36)
    await writeFile(world.vhd(disk.uuid), image)
    const check = () => new EmbeddedVhdUtil(world.system, { boundary: world.location }).check(world.vhd(disk.uuid))
    await expect(check()).rejects.toMatchObject({ code: 'EINVAL' })
    await world.revert(snapshot)
    await check()
    expect(await world.content(disk.uuid)).toEqual(old)
  })

  test('writes no more for 2040 GiB than for 1 GiB, beyond the block table', async () => {
    const written = async (mib: number) => {
      const disk = await world.createVdi('large', mib)
      await world.write(disk, 1, 0, 2)
      const snapshot = await world.snapshot(disk)
      await world.write(disk, 2, 0, 4)
      const trace = path.join(world.root, `trace-${mib}`)
      await world.start(`trace:${trace}`)
      await world.revert(snapshot)
      await world.start()
      const lengths = [...(await readFile(trace, 'utf8')).matchAll(/file write .* \d+\+(\d+)$/gm)].map(match =>
        Number(match[1]),
      )
      return lengths.reduce((sum, length) => sum + length, 0)
    }
    const [small, large] = [await written(1024), await written(2040 * 1024)]
    const tables = emptyChildBytes(2040 * 1024 * MIB) - emptyChildBytes(1024 * MIB)
    expect(large - small).toBeLessThanOrEqual(tables)
    expect(small).toBeLessThan(64 * 1024)
  })
})
