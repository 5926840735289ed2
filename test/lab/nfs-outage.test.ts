import { afterAll, beforeAll, expect, test } from 'vitest'
import { XapiError } from '../../lib/xapi/XapiClient.ts'
import { expectConsistent } from '../crash/harness.ts'
import type { Disk } from '../support/World.ts'
import type { Guest } from './Guest.ts'
import { describeLab, sharedGuest } from './lab.ts'
import { createRemoteWorld, type AnyWorld } from './RemoteWorld.ts'

const MOMENTS = process.env['SM_CRASH_ALL'] === undefined ? 3 : 20

describeLab('an NFS server that goes away during a revert', () => {
  let guest: Guest
  let world: AnyWorld
  let disk: Disk
  let snapshot: Disk
  beforeAll(async () => {
    guest = await sharedGuest()
    await guest.run('modules nfsv3 nfsv4; mountpoint -q /srv/nfs || nfs_server 300M')
    const deviceConfig = { server: '127.0.0.1', serverpath: '/export', nfsversion: '3' }
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
  })
  afterAll(async () => {
    await world.close()
    await guest.run('rm -rf /srv/nfs/export/*')
  })

  test('leaves the old disk or the new one, whatever the client was told', async () => {
    const wanted = await world.content(snapshot.uuid)
    const started = performance.now()
    await world.revert(snapshot)
    const duration = performance.now() - started
    const outcomes = new Set<string>()
    for (let moment = 1; moment <= MOMENTS; moment += 1) {
      await world.write(disk, moment + 1, 1, 2)
      await world.scan()
      const old = await world.content(disk.uuid)
      const outage = guest.run(
        `sleep ${((duration * moment) / (MOMENTS + 1) / 1000).toFixed(2)}; nfs_stop; sleep 6; nfs_start`,
      )
      const outcome = await world.revert(snapshot).then(
        () => 'reverted',
        (error: unknown) => {
          if (error instanceof XapiError) return error.code
          throw error
        },
      )
      await outage
      outcomes.add(outcome)
      await world.scan()
      const found = await world.content(disk.uuid)
      const where = `outage ${moment} of ${MOMENTS}: ${outcome}`
      expect(outcome === 'reverted' ? [wanted] : [old, wanted], where).toContainEqual(found)
      expect(await world.content(snapshot.uuid), where).toEqual(wanted)
      await expectConsistent(world, where)
      await world.revert(snapshot)
      expect(await world.content(disk.uuid), where).toEqual(wanted)
    }
    expect(
      [...outcomes].filter(outcome => outcome !== 'reverted'),
      'no outage was noticed',
    ).not.toEqual([])
  })
})
