import { afterAll, beforeAll, describe } from 'vitest'
import { describeContract, lvhdFamily } from '../contract/contract.ts'
import { describeCrashes } from '../contract/crash.ts'
import { describeLab, sharedGuest } from './lab.ts'
import { createRemoteWorld, type AnyWorld } from './RemoteWorld.ts'

const CLEAN = 'dmsetup remove_all --force; rm -rf /dev/VG_XenStorage-*; wipefs -qa'

describeLab('LVHDSR', () => {
  let device: string
  beforeAll(async () => {
    device = (await (await sharedGuest()).run('lvm_setup; loop_disk 512M')).trim()
  })
  afterAll(async () => {
    await (await sharedGuest()).run(`${CLEAN} ${device}; drop_loop ${device}`)
  })

  /** Each on a group of its own: the one before it is removed. */
  const open = (allocation: string) => async (): Promise<AnyWorld> => {
    const guest = await sharedGuest()
    await guest.run(`${CLEAN} ${device}`)
    return createRemoteWorld(guest, { type: 'lvhd', deviceConfig: { device }, smConfig: { allocation } })
  }
  describe('contract, thick', () => {
    describeContract(open('thick'), lvhdFamily)
  })
  describe('interrupted, thin', () => {
    describeCrashes(open('thin'), { step: 40, offset: 5, hidesDisk: true, codes: ['VDI_IN_USE'] })
  })
})
