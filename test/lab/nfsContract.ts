import { afterAll, beforeAll, describe } from 'vitest'
import { describeContract } from '../contract/contract.ts'
import { describeCrashes } from '../contract/crash.ts'
import type { Sample } from '../crash/harness.ts'
import { describeLab, sharedGuest } from './lab.ts'
import { createRemoteWorld } from './RemoteWorld.ts'

/** The contract of NFSSR with one version of the protocol. */
export function describeNfsContract(nfsversion: string, sample: Sample): void {
  describeLab(`NFSSR, version ${nfsversion}`, () => {
    beforeAll(async () => {
      await (await sharedGuest()).run('nfs_server 128M')
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
      describeCrashes(open, sample)
    })
  })
}
