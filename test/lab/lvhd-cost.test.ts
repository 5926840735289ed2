import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { describeCost, type CountedSr } from '../contract/cost.ts'
import { MIB } from '../support/World.ts'
import type { Guest } from './Guest.ts'
import { describeLab, sharedGuest } from './lab.ts'
import { createRemoteWorld } from './RemoteWorld.ts'

const CLEAN = 'dmsetup remove_all --force; rm -rf /dev/VG_XenStorage-*'
const GIB = 1024
/** MiB that the volume of a full VHD of so many GiB has (spec lvhd 6). */
const FULL_MIB = new Map([
  [1, 1032],
  [2040, 2_093_048],
])
const FREE_MIB = 64

describeLab('processes that LVHDSR starts on LVM', () => {
  let guest: Guest
  let device = ''
  beforeAll(async () => {
    guest = await sharedGuest()
    await guest.run('lvm_setup')
  })
  afterEach(async () => {
    await guest.run(`${CLEAN}; drop_loop ${device}`)
  })

  const open = async (allocation: string, size: string): Promise<CountedSr> => {
    device = (await guest.run(`loop_disk ${size}`)).trim()
    const world = await createRemoteWorld(guest, { type: 'lvhd', deviceConfig: { device }, smConfig: { allocation } })
    const programs = await guest.make('Programs', {})
    return { world, takePrograms: async () => (await programs.ask('take')) as string[] }
  }

  describe.each(['thick', 'thin'] as const)('%s', allocation => {
    describeCost(() => open(allocation, '512M'), allocation)
  })

  describe('for a revert of a thick disk where 64 MiB are free', () => {
    const counts: string[] = []
    afterAll(() => {
      expect(counts[1]).toBe(counts[0])
    })

    test.each([...FULL_MIB])('%d GiB', async (gib, fullMib) => {
      // The group's own metadata, and those of the SR, take some of it.
      const { world, takePrograms } = await open('thick', `${fullMib + 256}M`)
      const group = `VG_XenStorage-${world.srUuid}`
      const volume = async (name: string, field: string) =>
        Number(await guest.run(`lvs --noheadings --nosuffix --units m -o ${field} ${group}/${name}`))
      const free = async () => Number(await guest.run(`vgs --noheadings --nosuffix --units m -o vg_free ${group}`))
      try {
        const disk = await world.createVdi('disk', gib * GIB)
        const snapshot = await world.snapshot(disk)
        await guest.run(`lvcreate -qq -an -Zn -Wn -n filler -L ${(await free()) - FREE_MIB}M ${group}`)
        expect(await free()).toBe(FREE_MIB)
        await takePrograms()
        await world.revert(snapshot)
        counts.push((await takePrograms()).join(' '))
        expect((await world.record(disk)).virtual_size).toBe(gib * GIB * MIB)
        expect(await volume(`VHD-${disk.uuid}`, 'lv_size')).toBe(fullMib)
        expect(await free()).toBe(FREE_MIB)
      } finally {
        await world.close()
      }
    })
  })
})
