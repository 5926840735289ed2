import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { vhdVolume } from '../../../lib/lvhd/names.ts'
import { effectsOf, outcomeOf, type Content, type Effect } from '../../crash/harness.ts'
import { MIB, type Disk } from '../../support/World.ts'
import type { LvmWorld } from '../../support/LvmWorld.ts'
import { openBox } from '../../support/lvhdBox.ts'

const LONG = 300_000
const FULL = 24 * MIB

let world: LvmWorld
let disk: Disk
let snapshot: Disk
let wanted: Content

beforeEach(async () => {
  world = (await openBox({ allocation: 'thick' })).world
  disk = await world.createVdi('disk', 16)
  await world.write(disk, 1, 0, 2)
  snapshot = await world.snapshot(disk)
  wanted = await world.content(snapshot.uuid)
  await world.write(disk, 2, 1, 2)
})
afterEach(async () => {
  await world.close()
})

const sizeOf = async ({ uuid }: Disk) => (await world.volumes()).get(vhdVolume(uuid))?.size
const journals = async () => [...(await world.volumes()).keys()].filter(name => /^(clone|inflate|tmp)_/.test(name))

/** What a revert from the state as it is now does from its commit on, the removal of the old volume, to that of its journal. */
async function effectsAfterCommit(target: Disk, from: Disk): Promise<Effect[]> {
  await world.save()
  const act = () => world.revert(from)
  const effects = await effectsOf({ world, act, allowed: new Map(), disks: [0, 0] }, /^lock /)
  const removed = effects.findIndex(({ what }) => /lvremove .*\/(VHD|LV)-/.test(what))
  expect(removed, `where the old volume of ${target.uuid} goes`).toBeGreaterThan(0)
  const settled = effects.findIndex(({ what }) => /lvremove .*\/clone_/.test(what))
  expect(settled, `where the journal of ${target.uuid} goes`).toBeGreaterThan(removed)
  return effects.slice(removed + 1, settled + 1)
}

describe('a revert that is committed, whichever of its further steps fails', () => {
  test('succeeds, and leaves a disk that can be opened and written to', { timeout: LONG }, async () => {
    const { free } = await world.group.report()
    // Too little for the new volume to have its full size beside the old one.
    await world.group.create('filler', free - 16 * MIB)
    const effects = await effectsAfterCommit(disk, snapshot)
    expect(effects.filter(({ what }) => what.includes('lvresize'))).toHaveLength(1)
    for (const { index, what } of effects) {
      const where = `EIO at ${what}`
      await world.restore(`effect:${index}=EIO`)
      expect(await outcomeOf(() => world.revert(snapshot)), where).toBeUndefined()
      await world.start()
      expect(await world.content(disk.uuid), where).toEqual(wanted)
      expect(await journals(), where).toEqual([])
      expect((await world.record(disk)).sm_config, where).not.toHaveProperty('paused')
      await world.write(disk, 3, 2, 1)
      expect(await sizeOf(disk), where).toBe(FULL)
    }
  })
})
