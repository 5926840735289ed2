import { afterAll, beforeAll, expect, test } from 'vitest'
import { survivesErrors, survivesKills, type Sample, type Scenario } from '../crash/harness.ts'
import type { AnyWorld } from '../lab/RemoteWorld.ts'

const LONG = 900_000

/** Interrupts operations of an SR of its own at some of their effects. */
export function describeCrashes(open: () => Promise<AnyWorld>, sample: Sample): void {
  const least = Math.floor(15 / sample.step)
  let world: AnyWorld
  let scenario: (operation: 'revert' | 'snapshot') => Promise<Scenario>
  beforeAll(async () => {
    world = await open()
    const disk = await world.createVdi('disk', 4)
    await world.write(disk, 1, 0, 2)
    const snapshot = await world.snapshot(disk)
    await world.write(disk, 2, 1, 2)
    await world.scan()
    await world.save()
    scenario = async operation => {
      const [old, wanted] = [await world.content(disk.uuid), await world.content(snapshot.uuid)]
      const reverts = operation === 'revert'
      const allowed = new Map([
        [disk.uuid, reverts ? [old, wanted] : [old]],
        [snapshot.uuid, [wanted]],
      ])
      const act = () => (reverts ? world.revert(snapshot) : world.snapshot(disk))
      return { world, act, allowed, disks: reverts ? [2, 2] : [2, 3], sample }
    }
  })
  afterAll(async () => {
    await world.close()
  })

  test('a revert survives being killed', { timeout: LONG }, async () => {
    expect(await survivesKills(await scenario('revert'))).toBeGreaterThan(least)
  })

  test('a revert takes itself back when the storage fails', { timeout: LONG }, async () => {
    await world.restore()
    expect(await survivesErrors(await scenario('revert'), 'EIO', ['SR_BACKEND_FAILURE_82'])).toBeGreaterThan(least)
  })

  test('a snapshot survives being killed', { timeout: LONG }, async () => {
    await world.restore()
    expect(await survivesKills(await scenario('snapshot'))).toBeGreaterThan(least)
  })
}
