import { afterAll, beforeAll, describe } from 'vitest'
import { describeContract } from '../contract/contract.ts'
import { describeCrashes } from '../contract/crash.ts'
import { describeLab, sharedGuest } from './lab.ts'
import { createRemoteWorld, type AnyWorld } from './RemoteWorld.ts'

const REMOVE_GROUPS = 'vgs --noheadings -o vg_name 2>/dev/null | xargs -r vgremove -qq -f'

describeLab('EXTSR', () => {
  let device: string
  beforeAll(async () => {
    device = (await (await sharedGuest()).run('lvm_setup; loop_disk 128M')).trim()
  })
  afterAll(async () => {
    await (await sharedGuest()).run(`${REMOVE_GROUPS}; drop_loop ${device}`)
  })

  /** Each on a group of its own: the one before it is removed. */
  const open = async (): Promise<AnyWorld> => {
    const guest = await sharedGuest()
    await guest.run(REMOVE_GROUPS)
    return createRemoteWorld(guest, { type: 'ext', deviceConfig: { device } })
  }
  describe('contract', () => {
    describeContract(open)
  })
  describe('interrupted', () => {
    describeCrashes(open, { step: 6, offset: 0 })
  })
})
