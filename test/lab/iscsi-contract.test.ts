import { afterAll, beforeAll, describe } from 'vitest'
import { describeContract, lvhdFamily } from '../contract/contract.ts'
import { describeCrashes } from '../contract/crash.ts'
import { describeLab, sharedGuest } from './lab.ts'
import { createRemoteWorld, type AnyWorld } from './RemoteWorld.ts'

const TARGET = 'iqn.2026-01.org.example:t1'
const deviceConfig = { target: '127.0.0.1', targetIQN: TARGET, SCSIid: '36001405aaaa000100004000800000000' }
const CLEAN = `
  dmsetup remove_all --force
  rm -rf /dev/VG_XenStorage-*
  iscsiadm -m node -u >/dev/null 2>&1 || true
  dd if=/dev/zero of=/tmp/target-0.img bs=1M count=12 conv=notrunc 2>/dev/null`

/** The logic of the volume group is the same as on a local disk, where all of it is tested: this is a sample. */
describeLab('LVHDoISCSISR', () => {
  beforeAll(async () => {
    const guest = await sharedGuest()
    await guest.run(`
      lvm_setup '^/dev/sd'
      udev_scsi_only
      target_start
      target_disk 0 512M aaaa0001-0000-4000-8000-0000000000a1
      iscsi_target ${TARGET} 127.0.0.1:3260 0
      iscsi_host`)
  })
  afterAll(async () => {
    await (await sharedGuest()).run(CLEAN)
  })

  /** Each on a group of its own: the one before it is removed. */
  const open = (allocation: string) => async (): Promise<AnyWorld> => {
    const guest = await sharedGuest()
    await guest.run(CLEAN)
    const hostConfig = { iscsi_iqn: 'iqn.2026-01.org.example:host' }
    return createRemoteWorld(guest, { type: 'lvhdoiscsi', deviceConfig, hostConfig, smConfig: { allocation } })
  }
  describe('contract, thick', () => {
    describeContract(open('thick'), lvhdFamily)
  })
  describe('interrupted, thin', () => {
    describeCrashes(open('thin'), { step: 48, offset: 11, hidesDisk: true, codes: ['VDI_IN_USE'] })
  })
})
