import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  survivesErrors,
  survivesKilledRecovery,
  survivesKills,
  type Content,
  type Scenario,
} from '../../crash/harness.ts'
import { MIB, type Disk } from '../../support/World.ts'
import { openBox } from '../../support/lvhdBox.ts'
import type { LvmWorld } from '../../support/LvmWorld.ts'

const LONG = 900_000
const SAMPLE = { step: 5, offset: 1 }
const EACH = { step: 1, offset: 0 }
const CODES = ['SR_BACKEND_FAILURE_82', 'VDI_IN_USE']

let world: LvmWorld
let disk: Disk
let snapshot: Disk
beforeEach(async () => {
  world = (await openBox({ allocation: 'thick' })).world
  disk = await world.createVdi('disk', 8)
  await world.write(disk, 1, 0, 2)
  snapshot = await world.snapshot(disk)
  await world.write(disk, 2, 1, 2)
})
afterEach(async () => {
  await world.close()
})

async function contentsOf(...disks: Disk[]): Promise<Map<string, Content[]>> {
  const contents = new Map<string, Content[]>()
  for (const { uuid } of disks) contents.set(uuid, [await world.content(uuid)])
  return contents
}

/** The operation from the state as it is now. */
async function scenario(act: () => Promise<unknown>, more: Partial<Scenario>): Promise<Scenario> {
  await world.scan()
  await world.save()
  const managed = [...(await world.records()).values()].filter(record => record.managed).length
  return { world, act, allowed: await contentsOf(disk, snapshot), disks: [managed, managed], sample: SAMPLE, ...more }
}

async function revertScenario(): Promise<Scenario> {
  const [old, wanted] = [await world.content(disk.uuid), await world.content(snapshot.uuid)]
  const allowed = new Map([
    [disk.uuid, [old, wanted]],
    [snapshot.uuid, [wanted]],
  ])
  // Each of them has another name for a moment.
  return scenario(() => world.revert(snapshot), { allowed, closedUntilRecovered: [disk.uuid, snapshot.uuid] })
}

describe('a revert to a snapshot with data of its own', () => {
  beforeEach(async () => {
    await world.write(snapshot, 3, 4, 1)
  })

  test('survives being killed', { timeout: LONG }, async () => {
    expect(await survivesKills(await revertScenario())).toBeGreaterThan(5)
  })

  test('takes itself back when the storage fails', { timeout: LONG }, async () => {
    expect(await survivesErrors(await revertScenario(), 'EIO', CODES)).toBeGreaterThan(5)
  })
})

test('a revert to a root from elsewhere survives being killed', { timeout: LONG }, async () => {
  const root = await world.createVdi('root', 4)
  await world.write(root, 7, 0, 3)
  snapshot = await world.declareSnapshot(root, disk)
  expect(await survivesKills(await revertScenario())).toBeGreaterThan(5)
})

test.each(['LVM_revert_create_dest', 'LVM_revert_before_commit', 'LVM_revert_after_commit'])(
  'recovery from a revert killed at %s survives being killed',
  { timeout: LONG },
  async point => {
    expect(await survivesKilledRecovery(await revertScenario(), point)).toBeGreaterThan(2)
  },
)

test('a clone survives being killed', { timeout: LONG }, async () => {
  const started = await scenario(() => world.clone(disk), {})
  const [before] = started.disks
  const operation = { ...started, disks: [before, before + 1] as const, closedUntilRecovered: [disk.uuid] }
  expect(await survivesKills(operation)).toBeGreaterThan(5)
})

test('a resize survives being killed', { timeout: LONG }, async () => {
  const old = await world.content(disk.uuid)
  await world.scan()
  await world.save()
  await world.call('VDI.resize', disk.ref, String(16 * MIB))
  const grown = await world.content(disk.uuid)
  await world.restore()
  const act = () => world.call('VDI.resize', disk.ref, String(16 * MIB))
  expect(await survivesKills(await scenario(act, { allowed: new Map([[disk.uuid, [old, grown]]]) }))).toBeGreaterThan(3)
})

test('creating a disk survives being killed', { timeout: LONG }, async () => {
  const started = await scenario(() => world.createVdi('new', 4), {})
  const [before] = started.disks
  expect(await survivesKills({ ...started, disks: [before, before + 1], sample: EACH })).toBeGreaterThan(10)
})

test('deleting a disk survives being killed', { timeout: LONG }, async () => {
  const victim = await world.createVdi('victim', 4)
  const started = await scenario(() => world.call('VDI.destroy', victim.ref), {})
  const [before] = started.disks
  expect(await survivesKills({ ...started, disks: [before, before - 1], sample: EACH })).toBeGreaterThan(5)
})
