import * as fs from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { rawVolume, vhdVolume } from '../../../lib/lvhd/names.ts'
import { EmbeddedVhdUtil } from '../../../lib/vhd/EmbeddedVhdUtil.ts'
import { survivesErrors, survivesKilledRecovery, survivesKills, type Scenario } from '../../crash/harness.ts'
import { MIB, type Disk } from '../../support/World.ts'
import { openBox, type Box } from '../../support/lvhdBox.ts'
import type { LvmWorld } from '../../support/LvmWorld.ts'

const LONG = 900_000
const EACH = { step: 1, offset: 0 }
const CODES = ['SR_BACKEND_FAILURE_110', 'SR_BACKEND_FAILURE_44', 'SR_BACKEND_FAILURE_46']

let box: Box
let world: LvmWorld

afterEach(async () => {
  await world.close()
})

/** A resize from the state as it is now. */
async function growth(disk: Disk, sizeMib: number): Promise<Scenario> {
  const act = () => world.call('VDI.resize', disk.ref, String(sizeMib * MIB))
  await world.scan()
  await world.save()
  const old = await world.content(disk.uuid)
  await act()
  const grown = await world.content(disk.uuid)
  await world.restore()
  const allowed = new Map([[disk.uuid, [old, grown]]])
  return { world, act, allowed, disks: [1, 1], closedUntilRecovered: [disk.uuid], sample: EACH }
}

describe('a raw disk', () => {
  let raw: Disk
  beforeEach(async () => {
    box = await openBox({ allocation: 'thin' })
    world = box.world
    raw = await world.createVdi('raw', 8, { type: 'raw' })
    // What the volume gains will hold what others have left.
    await fs.writeFile(box.lvm.fake.volumes.get(rawVolume(raw.uuid))?.file ?? '', Buffer.alloc(8 * MIB, 'guest'))
  })

  test(
    'has its old size or its new one and never shows what others left, wherever growing is cut off',
    async () => {
      const scenario = await growth(raw, 16)
      expect(await survivesKills(scenario)).toBeGreaterThan(5)
    },
    LONG,
  )

  test(
    'gets its old size back where the storage fails',
    async () => {
      expect(await survivesErrors(await growth(raw, 16), 'EIO', CODES)).toBeGreaterThan(5)
      expect([...box.lvm.fake.volumes.keys()].filter(name => name.startsWith('zero_'))).toEqual([])
    },
    LONG,
  )

  test('that grows reads as zeroes where it is new', async () => {
    await world.call('VDI.resize', raw.ref, String(16 * MIB))
    const content = box.lvm.fake.content(rawVolume(raw.uuid))
    expect(content.subarray(8 * MIB).equals(Buffer.alloc(8 * MIB))).toBe(true)
    expect(content.subarray(0, 8 * MIB).equals(Buffer.alloc(8 * MIB, 'guest'))).toBe(true)
  })

  test('of a base copy keeps the journal of its collector', async () => {
    await world.group.setTag(rawVolume(raw.uuid), 'hidden', true)
    await world.group.create(`zero_${raw.uuid}_4194304`, 4 * MIB, ['journaler'])
    await world.scan()
    expect([...box.lvm.fake.volumes.keys()]).toContain(`zero_${raw.uuid}_4194304`)
    expect((await world.volumes()).get(rawVolume(raw.uuid))?.size).toBe(8 * MIB)
  })
})

describe.each(['thick', 'thin'] as const)('a VHD whose tables have no room, %s', allocation => {
  let disk: Disk
  beforeEach(async () => {
    box = await openBox({ allocation, extents: 400 })
    world = box.world
    disk = await world.createVdi('disk', 8)
    await makeSmallTables(disk)
    await world.write(disk, 1, 0, 8)
  })

  /** As a disk from elsewhere has them: its tables end where those of its size do. */
  async function makeSmallTables({ uuid }: Disk): Promise<void> {
    const { group } = world
    await group.activate([vhdVolume(uuid)])
    await new EmbeddedVhdUtil(box.lvm.system()).create(group.path(vhdVolume(uuid)), 8 * MIB)
    await group.deactivate([vhdVolume(uuid)])
  }

  test(
    'has its old size or its new one with all its content, wherever growing is cut off',
    async () => {
      const scenario = await growth(disk, 600)
      expect(await survivesKills({ ...scenario, sample: { step: 3, offset: 1 } })).toBeGreaterThan(5)
    },
    LONG,
  )

  test(
    'survives that its recovery is killed',
    async () => {
      const scenario = await growth(disk, 600)
      const effects = 'effect:30'
      expect(await survivesKilledRecovery(scenario, effects)).toBeGreaterThan(2)
    },
    LONG,
  )

  test(
    'gets its old size back where the storage fails',
    async () => {
      const scenario = await growth(disk, 600)
      expect(await survivesErrors({ ...scenario, sample: { step: 5, offset: 2 } }, 'EIO', CODES)).toBeGreaterThan(5)
    },
    LONG,
  )

  test('keeps its journal in the volume group, and removes it', async () => {
    await world.start(`trace:${world.root}/trace`)
    await world.call('VDI.resize', disk.ref, String(600 * MIB))
    const trace = await world.takeTrace()
    expect(trace.filter(line => line.includes(`lvcreate -n jvhd_${disk.uuid}`))).toHaveLength(1)
    expect(trace.filter(line => / file create /.test(line) && line.includes('/dev/'))).toEqual([])
    expect([...box.lvm.fake.volumes.keys()].filter(name => name.startsWith('jvhd'))).toEqual([])
    expect((await world.record(disk)).virtual_size).toBe(600 * MIB)
    await world.scan()
    expect((await world.record(disk)).virtual_size).toBe(600 * MIB)
  })

  test('is left as it is where there is no room for the journal (44)', async () => {
    const content = await world.content(disk.uuid)
    const { free } = await world.group.report()
    await world.group.create('filler', free - 12 * MIB)
    expect((await world.failure('VDI.resize', disk.ref, String(600 * MIB)))[0]).toBe('SR_BACKEND_FAILURE_44')
    expect(await world.content(disk.uuid)).toEqual(content)
  })
})
