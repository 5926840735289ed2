import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  effectsOf,
  expectContents,
  expectRecovered,
  outcomeOf,
  sampled,
  type Sample,
  type Scenario,
} from '../crash/harness.ts'
import type { Disk } from '../support/World.ts'
import type { RemoteObject } from './Guest.ts'
import { describeLab, sharedGuest } from './lab.ts'
import { createRemoteWorld, type AnyWorld } from './RemoteWorld.ts'

const PORT = 20490
const LONG = 3_600_000

/** What the server cannot be asked before. */
const ELSEWHERE = /^(xapi|lock|process) /

/** Every how many-th effect is disturbed by default. A client of NFS 4 waits longer, so there it is fewer. */
describeLab.each([
  ['3', { mute: 3, cut: 5, away: 13 }],
  ['4', { mute: 9, cut: 11, away: 17 }],
])('an NFS server that is lost during a revert, version %s', (nfsversion, steps) => {
  let link: RemoteObject
  let world: AnyWorld
  let disk: Disk
  let snapshot: Disk
  beforeAll(async () => {
    const guest = await sharedGuest()
    await guest.run('mountpoint -q /srv/nfs || nfs_server 128M')
    link = await guest.make('LossyLink', { port: PORT })
    const deviceConfig = { server: '127.0.0.1', serverpath: '/export', nfsversion, options: `port=${PORT}` }
    world = await createRemoteWorld(guest, { type: 'nfs', deviceConfig })
    // A short patience: an outage of three seconds is an error then.
    const pbd = await world.pbd()
    await world.call('PBD.unplug', pbd)
    await world.call('SR.add_to_other_config', world.srRef, 'nfs-timeout', '10')
    await world.call('SR.add_to_other_config', world.srRef, 'nfs-retrans', '1')
    await world.call('PBD.plug', pbd)
    disk = await world.createVdi('disk', 4)
    await world.write(disk, 1, 0, 1)
    snapshot = await world.snapshot(disk)
    await world.write(disk, 2, 1, 2)
    await world.scan()
    await world.save()
  })
  afterAll(async () => {
    await world.close()
    await link.ask('close')
    await (await sharedGuest()).run('rm -rf /srv/nfs/export/*')
  })

  async function scenario(sample: Sample): Promise<Scenario> {
    const [old, wanted] = [await world.content(disk.uuid), await world.content(snapshot.uuid)]
    const allowed = new Map([
      [disk.uuid, [old, wanted]],
      [snapshot.uuid, [wanted]],
    ])
    return { world, act: () => world.revert(snapshot), allowed, disks: [2, 2], sample }
  }

  /** The revert, with the server lost at each effect of the sample; how often it was reported as done. */
  async function survives(fistAt: (index: number) => string, sample: Sample): Promise<{ tried: number; done: number }> {
    const made = await scenario(sample)
    const effects = sampled(await effectsOf(made, ELSEWHERE), sample)
    let done = 0
    for (const { index, what } of effects) {
      const where = `${fistAt(index)}: ${what}`
      await world.restore(fistAt(index))
      const error = await outcomeOf(made.act)
      if (error !== undefined) expect(error.code, `${where}: ${error.message}`).toBe('SR_BACKEND_FAILURE_82')
      else expect(await world.content(disk.uuid), where).toEqual(await world.content(snapshot.uuid))
      if (error === undefined) done += 1
      await expectContents(made, where)
      await world.start()
      await expectRecovered(made, where, index % 4 === 0)
      await world.revert(snapshot)
      expect(await world.content(disk.uuid), where).toEqual(await world.content(snapshot.uuid))
    }
    await world.restore()
    return { tried: effects.length, done }
  }

  describe('the disk is the old one or the new one, and the caller is told which', () => {
    test('where the server does the work and its answer is lost', { timeout: LONG }, async () => {
      const { tried, done } = await survives(index => `outage=mute@${index}`, { step: steps.mute, offset: 2 })
      expect(tried).toBeGreaterThan(1)
      expect(done).toBeGreaterThan(0)
      // NFS 3 reports an error: what was done before the disk was replaced is taken back, what came after it is not.
      if (nfsversion === '3') expect(done).toBeLessThan(tried)
    })

    test('where a request is lost', { timeout: LONG }, async () => {
      const { tried, done } = await survives(index => `outage=cut@${index}`, { step: steps.cut, offset: 1 })
      expect(tried).toBeGreaterThan(1)
      if (nfsversion === '3') expect(done).toBeLessThan(tried)
    })

    test('where the server stays away', { timeout: LONG }, async () => {
      const { tried } = await survives(index => `outage=cut@${index}-`, { step: steps.away, offset: 0 })
      expect(tried).toBeGreaterThan(0)
    })
  })
})
