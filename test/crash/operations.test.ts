import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { runInAgent } from '../lab/agent/runInAgent.ts'
import { MIB, World } from '../support/World.ts'
import { survivesErrors, survivesKills, type Content, type Scenario } from './harness.ts'

const LONG = 600_000

describe('an operation that is interrupted', () => {
  let world: World
  beforeEach(async () => {
    world = await World.create({ runProgram: runInAgent })
  })
  afterEach(async () => {
    await world.close()
  })

  /** The saved world with `act` on it; contents as they are now, or as `after` says. */
  async function scenario(
    act: () => Promise<unknown>,
    options: { added?: number; after?: ReadonlyMap<string, Content | undefined> } = {},
  ): Promise<Scenario> {
    await world.scan()
    await world.save()
    const allowed = new Map<string, Content[]>()
    let managed = 0
    for (const record of (await world.records()).values()) {
      if (!record.managed) continue
      managed += 1
      const now = await world.content(record.uuid)
      const after = options.after?.has(record.uuid) === true ? options.after.get(record.uuid) : now
      allowed.set(record.uuid, after === undefined ? [] : [now, after])
    }
    return { world, act, allowed, disks: [managed, managed + (options.added ?? 0)] }
  }

  async function diskWithData(): Promise<{ ref: string; uuid: string }> {
    const disk = await world.createVdi('disk', 6)
    await world.write(disk, 1, 1, 3)
    return disk
  }

  test('a snapshot of a disk with data survives being killed before every effect', { timeout: LONG }, async () => {
    const disk = await diskWithData()
    expect(await survivesKills(await scenario(() => world.snapshot(disk), { added: 1 }))).toBeGreaterThan(20)
  })

  test('a snapshot of a disk with data takes itself back on every error', { timeout: LONG }, async () => {
    const disk = await diskWithData()
    const made = await scenario(() => world.snapshot(disk), { added: 1 })
    const codes = ['SR_BACKEND_FAILURE_81', 'SR_BACKEND_FAILURE_82', 'SR_BACKEND_FAILURE_202']
    expect(await survivesErrors(made, 'ENOSPC', codes)).toBeGreaterThan(20)
  })

  test('a snapshot of an unwritten child survives being killed before every effect', { timeout: LONG }, async () => {
    const disk = await diskWithData()
    await world.snapshot(disk)
    expect(await survivesKills(await scenario(() => world.snapshot(disk), { added: 1 }))).toBeGreaterThan(10)
  })

  test('a clone survives being killed before every effect', { timeout: LONG }, async () => {
    const disk = await diskWithData()
    await world.snapshot(disk)
    await world.write(disk, 2, 0, 2)
    expect(await survivesKills(await scenario(() => world.clone(disk), { added: 1 }))).toBeGreaterThan(20)
  })

  test('a resize survives being killed before every effect', { timeout: LONG }, async () => {
    const disk = await diskWithData()
    const old = await world.content(disk.uuid)
    await world.save()
    const act = () => world.call('VDI.resize', disk.ref, String(264 * MIB))
    await act()
    const grown = await world.content(disk.uuid)
    await world.restore()
    expect(await world.content(disk.uuid)).toEqual(old)
    const made = await scenario(act, { after: new Map([[disk.uuid, grown]]) })
    expect(await survivesKills({ ...made, closedUntilRecovered: [disk.uuid] })).toBeGreaterThan(10)
  })

  test('creating a disk survives being killed before every effect', { timeout: LONG }, async () => {
    await diskWithData()
    const made = await scenario(() => world.createVdi('new', 4), { added: 1 })
    expect(await survivesKills(made)).toBeGreaterThan(5)
  })

  test('deleting a disk survives being killed before every effect', { timeout: LONG }, async () => {
    const disk = await diskWithData()
    const snapshot = await world.snapshot(disk)
    const made = await scenario(() => world.call('VDI.destroy', snapshot.ref), {
      added: -1,
      after: new Map([[snapshot.uuid, undefined]]),
    })
    expect(await survivesKills(made)).toBeGreaterThan(1)
  })
})
