import { afterAll, beforeAll, describe } from 'vitest'
import { describeContract } from '../contract/contract.ts'
import { describeCrashes } from '../contract/crash.ts'
import { describeLab, sharedGuest } from './lab.ts'
import { createRemoteWorld, type AnyWorld } from './RemoteWorld.ts'

/** Every how many-th effect an operation is interrupted at in the lab; `SM_CRASH_ALL` takes them all. */
const STEP = process.env['SM_CRASH_ALL'] === undefined ? 12 : 1

describeLab('EXTSR', () => {
  beforeAll(async () => {
    await (await sharedGuest()).run('lvm_setup; loop_disk 300M > /tmp/contract-disk')
  })
  afterAll(async () => {
    await (
      await sharedGuest()
    ).run('vgs --noheadings -o vg_name | xargs -r vgremove -qq -f; drop_loop $(cat /tmp/contract-disk)')
  })

  /** Each on a group of its own: the one before it is removed. */
  const open = async (): Promise<AnyWorld> => {
    const guest = await sharedGuest()
    const groups = 'vgs --noheadings -o vg_name 2>/dev/null | xargs -r vgremove -qq -f'
    const device = (await guest.run(`${groups}; cat /tmp/contract-disk`)).trim()
    return createRemoteWorld(guest, { type: 'ext', deviceConfig: { device } })
  }
  describe('contract', () => {
    describeContract(open)
  })
  describe('interrupted', () => {
    describeCrashes(open, STEP)
  })
})

describeLab.each(['3', '4'])('NFSSR, version %s', nfsversion => {
  beforeAll(async () => {
    await (await sharedGuest()).run('modules nfsv3 nfsv4; mountpoint -q /srv/nfs || nfs_server 300M')
  })
  afterAll(async () => {
    await (await sharedGuest()).run('rm -rf /srv/nfs/export/*')
  })
  const deviceConfig = { server: '127.0.0.1', serverpath: '/export', nfsversion }
  const open = async () => createRemoteWorld(await sharedGuest(), { type: 'nfs', deviceConfig })
  describe('contract', () => {
    describeContract(open)
  })
  describe('interrupted', () => {
    describeCrashes(open, STEP)
  })
})
