import { afterAll, beforeAll, expect, test } from 'vitest'
import { survivesErrors, survivesKills, type Sample, type Scenario } from '../crash/harness.ts'
import type { AnyWorld } from '../lab/RemoteWorld.ts'

const LONG = 900_000

export interface CrashOptions extends Sample {
  /** The disk has no image under its name while it is being changed. */
  readonly hidesDisk?: boolean
  /** Codes a revert may fail with besides 82 where the storage fails. */
  readonly codes?: readonly string[]
}

/** Interrupts operations of an SR of its own at some of their effects. */
export function describeCrashes(open: () => Promise<AnyWorld>, options: CrashOptions): void {
  const { hidesDisk = false, codes = [], ...sample } = options
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
      const closedUntilRecovered = hidesDisk ? [disk.uuid] : []
      return { world, act, allowed, disks: reverts ? [2, 2] : [2, 3], sample, closedUntilRecovered }
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
    expect(await survivesErrors(await scenario('revert'), 'EIO', ['SR_BACKEND_FAILURE_82', ...codes])).toBeGreaterThan(
      least,
    )
  })

  test('a snapshot survives being killed', { timeout: LONG }, async () => {
    await world.restore()
    expect(await survivesKills(await scenario('snapshot'))).toBeGreaterThan(least)
  })
}
