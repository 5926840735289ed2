import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { decodeMethodResponse, type XmlInput } from '../../lib/smapi/xmlrpc.ts'
import { expectConsistent } from '../crash/harness.ts'
import type { Disk } from '../support/World.ts'
import { Guest, type RemoteObject } from './Guest.ts'
import { describeLab } from './lab.ts'
import { createRemoteWorld, type AnyWorld } from './RemoteWorld.ts'
import { Switch } from './Switch.ts'

const PORT = 8080
const deviceConfig = { server: '10.77.0.1', serverpath: '/export', nfsversion: '3' }

describeLab('a second host on the same export', () => {
  let scratch: string
  let network: Switch
  let guests: readonly Guest[] = []
  let world: AnyWorld
  let other: RemoteObject
  let otherGuest: Guest
  let otherHost: string
  let disk: Disk
  let snapshot: Disk
  beforeAll(async () => {
    scratch = await fs.mkdtemp(path.join(tmpdir(), 'sm-lab-test-'))
    network = await Switch.start(scratch)
    const boot = (place: number) => Guest.boot({ name: `host${place}`, network: { socket: network.socket, place } })
    const [master, second] = await Promise.all([boot(1), boot(2)])
    guests = [master, second]
    otherGuest = second
    await Promise.all([master.run('nfs_server 128M'), second.run('nfs_client')])
    const listen = { host: '0.0.0.0', port: PORT }
    world = await createRemoteWorld(master, {
      type: 'nfs',
      deviceConfig,
      listen,
      hostPluginDir: 'test/lab/host-plugins',
    })
    otherHost = await world.addHost()
    other = await second.make('OtherHost', { url: `http://10.77.0.1:${PORT}` })
    expect(await answer('sr_attach')).toEqual({ value: null })
  })
  afterAll(async () => {
    for (const guest of guests) await guest.powerCut()
    await network.stop()
    await fs.rm(scratch, { recursive: true })
  })
  beforeEach(async () => {
    disk = await world.createVdi('disk', 4)
    await world.write(disk, 1, 0, 1)
    snapshot = await world.snapshot(disk)
    await world.write(disk, 2, 1, 2)
  })

  /** What the second host's plugin answers. */
  async function answer(command: string, vdi?: Disk, members: Record<string, XmlInput> = {}) {
    const asOther = { host_ref: otherHost, ...members }
    const request = await world.request(command, vdi, asOther, { SRmaster: 'false' })
    return decodeMethodResponse(String(await other.ask('run', 'NFSSR', command, request)))
  }

  const attach = (vdi: Disk) => answer('vdi_attach', vdi, { args: ['true'] })
  const imageSeenThere = async (vdi: Disk) =>
    (await otherGuest.run(`sha256sum < ${mountedThere()}/${vdi.uuid}.vhd`)).slice(0, 64)
  const mountedThere = () => `${other.facts['root'] ?? ''}/run/sr-mount/${world.srUuid}`

  test.each([
    ['FileSR_revert_before_commit', false],
    ['FileSR_revert_after_commit', true],
  ])('is refused while a revert killed at %s is pending, until the master has scanned', async (point, committed) => {
    const [old, wanted] = [await world.content(disk.uuid), await world.content(snapshot.uuid)]
    await world.start(point)
    expect(await world.failure('VDI.revert', snapshot.ref)).toContain('received signal: SIGKILL')
    await world.start()
    for (const vdi of [disk, snapshot]) {
      expect(await attach(vdi)).toMatchObject({
        fault: { code: 47, message: expect.stringContaining('Critical journals are pending') as string },
      })
    }
    await answer('sr_scan')
    expect(await attach(disk), 'a scan there recovers nothing').toMatchObject({ fault: { code: 47 } })
    await world.scan()
    await expectConsistent(world, point)
    expect(await world.content(disk.uuid)).toEqual(committed ? wanted : old)
    for (const vdi of [disk, snapshot]) expect(await attach(vdi)).toHaveProperty('value')
  })

  test('sees the reverted disk at its next open', async () => {
    const before = await imageSeenThere(disk)
    await world.revert(snapshot)
    const here = (await guests[0]?.run(`sha256sum < ${world.directory}/${disk.uuid}.vhd`))?.slice(0, 64)
    const there = await imageSeenThere(disk)
    expect(there).not.toBe(before)
    expect(there).toBe(here)
  })

  test('that has the disk open keeps it from being reverted (24), and no longer when it has closed it', async () => {
    const [old, wanted] = [await world.content(disk.uuid), await world.content(snapshot.uuid)]
    const key = `host_${otherHost}`
    await otherGuest.run(`sleep 300 < ${mountedThere()}/${disk.uuid}.vhd & echo $! > /tmp/user`)
    await world.call('VDI.add_to_sm_config', disk.ref, key, 'RW')
    expect(await world.failure('VDI.revert', snapshot.ref)).toContain('VDI_IN_USE')
    expect(await world.content(disk.uuid)).toEqual(old)
    expect((await world.record(disk)).sm_config).toMatchObject({ [key]: 'RW' })
    await otherGuest.run('kill $(cat /tmp/user); while [ -e /proc/$(cat /tmp/user)/fd/0 ]; do sleep 0.05; done')
    await world.revert(snapshot)
    expect(await world.content(disk.uuid)).toEqual(wanted)
    expect((await world.record(disk)).sm_config).not.toHaveProperty(key)
  })

  test('may not revert: that is for the master (202)', async () => {
    expect(await answer('vdi_revert', snapshot, { args: [disk.ref] })).toMatchObject({ fault: { code: 202 } })
  })
})
