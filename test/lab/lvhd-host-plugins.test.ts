import { afterAll, beforeAll, expect, test } from 'vitest'
import { decodeMethodResponse } from '../../lib/smapi/xmlrpc.ts'
import { MIB, type Disk } from '../support/World.ts'
import type { Guest } from './Guest.ts'
import { describeLab, sharedGuest } from './lab.ts'
import { createRemoteWorld, type AnyWorld } from './RemoteWorld.ts'

const SLAVE = { SRmaster: 'false' }
/** Bytes of the volume of a disk of 16 MiB that has no data, and of one that is all there. */
const [EMPTY, FULL] = [8 * MIB, 24 * MIB]

describeLab('the host plugins of LVHDSR on LVM', () => {
  let guest: Guest
  let device: string
  let world: AnyWorld
  beforeAll(async () => {
    guest = await sharedGuest()
    device = (await guest.run('lvm_setup; loop_disk 256M')).trim()
    const smConfig = { allocation: 'thin' }
    world = await createRemoteWorld(guest, { type: 'lvhd', deviceConfig: { device }, smConfig, hostPluginDir: 'bin' })
  })
  afterAll(async () => {
    await world.close()
    await guest.run(`dmsetup remove_all --force; rm -rf /dev/VG_XenStorage-*; drop_loop ${device}`)
  })

  const ask = async (plugin: string, name: string, args: Record<string, string>) =>
    world.call('host.call_plugin', await world.host(), plugin, name, args)
  const sizeOf = async ({ uuid }: Disk) => {
    const options = '--noheadings --nosuffix --units b --options lv_size'
    return Number(await guest.run(`lvs ${options} VG_XenStorage-${world.srUuid}/VHD-${uuid}`))
  }

  test('a slave that writes to a thin disk has the master give it its full size, and take it back', async () => {
    const disk = await world.createVdi('disk', 16)
    const there = async (...commands: readonly string[]) => {
      for (const command of commands) {
        const answer = decodeMethodResponse(await world.plugin(command, disk, { args: ['true'] }, SLAVE))
        expect(answer, command).not.toHaveProperty('fault')
      }
    }
    expect(await sizeOf(disk)).toBe(EMPTY)
    await there('vdi_attach', 'vdi_activate')
    expect(await sizeOf(disk)).toBe(FULL)
    await there('vdi_deactivate', 'vdi_detach')
    expect(await sizeOf(disk)).toBe(EMPTY)
    const args = { srUuid: world.srUuid, vdiUuid: disk.uuid }
    expect(await ask('lvhd-thin', 'attach', args)).toBe('True')
    expect(await sizeOf(disk)).toBe(FULL)
    expect(await ask('lvhd-thin', 'detach', args)).toBe('True')
    expect(await sizeOf(disk)).toBe(EMPTY)
    await world.call('VDI.destroy', disk.ref)
  })

  test('trim gives what is free back to the disk below the SR, and nothing else', async () => {
    const [disk, gone] = [await world.createVdi('disk', 16), await world.createVdi('gone', 64)]
    await world.write(disk, 1, 0, 8)
    await world.write(gone, 2, 0, 60)
    await world.call('VDI.destroy', gone.ref)
    const content = await world.content(disk.uuid)
    const used = async () => {
      const blocks = `stat --format %b "$(losetup --noheadings --output BACK-FILE ${device})"`
      return Number(await guest.run(`sync; ${blocks}`)) * 512
    }
    const before = await used()
    expect(await ask('trim', 'do_trim', { sr_uuid: world.srUuid })).toBe('True')
    expect(before - (await used())).toBeGreaterThanOrEqual(60 * MIB)
    expect(await world.content(disk.uuid)).toEqual(content)
    expect(await guest.run(`lvs --noheadings --options lv_name VG_XenStorage-${world.srUuid}`)).not.toContain('trim')
    await world.call('VDI.destroy', disk.ref)
  })
})
