import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Disk } from '../support/World.ts'
import type { Guest } from './Guest.ts'
import { describeLab, sharedGuest } from './lab.ts'
import { Plugin } from './Plugin.ts'
import { createRemoteWorld, type AnyWorld } from './RemoteWorld.ts'

const SCSI_ID = '36001405bbbb000100004000800000000'
const MAP = `/dev/mapper/${SCSI_ID}`
const IN_USE = `/dev/disk/mpInuse/${SCSI_ID}`
/** Two hosts of the guest with the same disk: two paths. multipathd is for the driver to start. */
const START = `
  udev_scsi_only
  # multipathd goes by what udev knows of disks and maps.
  for rules in 55-dm 60-persistent-storage; do rm /etc/udev/rules.d/$rules.rules; done
  # By itself udev looks for changed rules only every few seconds.
  udevadm control --reload
  lvm_setup '^/dev/sd' '^/dev/mapper/36'
  target_start
  target_disk 0 400M bbbb0001-0000-4000-8000-0000000000c3
  scsi_host 5000000000000001 0
  scsi_host 5000000000000002 0
  multipath_config
  within 20 test -e /dev/disk/by-scsid/${SCSI_ID}/sda
  within 20 test -e /dev/disk/by-scsid/${SCSI_ID}/sdb
  udevadm settle`
const CONFIG = { SCSIid: SCSI_ID, multipathing: 'true', multipathhandle: 'dmp' }

describeLab('a LUN over two paths', () => {
  let guest: Guest
  let world: AnyWorld
  let disk: Disk
  beforeAll(async () => {
    guest = await sharedGuest()
    await guest.run(START)
    world = await createRemoteWorld(guest, { type: 'lvmohba', deviceConfig: CONFIG })
    disk = await world.createVdi('disk', 8)
  })
  afterAll(async () => {
    await world.close()
    await guest.run(`dmsetup remove_all --force; pkill -x multipathd || true`)
  })

  const counts = async () => {
    const record = (await world.call('PBD.get_record', await world.pbd())) as { other_config: Record<string, string> }
    return record.other_config
  }
  const state = (path: string, text: string) => guest.run(`echo ${text} >/sys/block/${path}/device/state`)
  const pathsUp = (number: number) =>
    guest.run(`
      up() { [ "$(echo 'show map ${SCSI_ID} topology' | multipathd -k | grep -c 'active *ready *running')" = ${number} ]; }
      within 60 up`)
  const countPaths = async () => {
    const { root } = world
    const socket = `SM_ROOT=${root}/sm SM_XAPI_URL=unix:${root}/sm/var/lib/xcp/xapi SM_LOG=none`
    await guest.run(`env ${socket} $LAB_node /project/dist/mpathcount.cjs`)
    return (await counts())[`mpath-${SCSI_ID}`]
  }

  test('an SR is on the map, and its record tells how many paths there are', async () => {
    expect((await guest.run(`readlink ${IN_USE}; pvs --noheadings -o pv_name`)).split(/\s+/)).toEqual([MAP, MAP, ''])
    expect(await counts()).toMatchObject({ [`mpath-${SCSI_ID}`]: '[2, 2]', multipathed: 'true' })
    expect(await guest.run(`cat ${world.root}/sm/dev/shm/mpath_status`)).toBe(`{"mpath-${SCSI_ID}":"2/2"}`)
  })

  test('a path that is lost in the middle of a revert does not keep it from ending right', async () => {
    await world.write(disk, 7, 1, 2)
    const before = await world.content(disk.uuid)
    const snapshot = await world.snapshot(disk)
    await world.write(disk, 9, 0, 3)
    await world.start('offline=sda@12')
    await world.revert(snapshot)
    await world.start()
    expect(await guest.run('cat /sys/block/sda/device/state')).toBe('offline\n')
    expect(await world.content(disk.uuid)).toEqual(before)
    await pathsUp(1)
    expect(await countPaths()).toBe('[1, 2]')
    await world.write(disk, 5, 4, 1)
    await state('sda', 'running')
    await pathsUp(2)
    expect(await countPaths()).toBe('[2, 2]')
    await world.scan()
  })

  test('a probe leaves the map of an SR alone (16)', async () => {
    const plugin = await Plugin.start(guest, { plugin: 'LVHDoHBASR', srUuid: crypto.randomUUID() })
    expect(await plugin.fault('sr_probe', CONFIG)).toMatchObject({ code: 16 })
    await plugin.close()
    expect(await guest.run(`test -e ${MAP} && echo there`)).toBe('there\n')
  })

  test('a detached SR leaves no map, and is found by a probe and attached again', async () => {
    const pbd = await world.pbd()
    const content = await world.content(disk.uuid)
    await world.call('PBD.unplug', pbd)
    expect(await guest.run(`dmsetup ls; ls ${MAP} ${IN_USE} 2>&1 || true`)).toMatch(/^No devices found\n(ls: .*\n){2}$/)
    expect(await counts()).toEqual({})
    const plugin = await Plugin.start(guest, { plugin: 'LVHDoHBASR', srUuid: crypto.randomUUID() })
    expect(await plugin.probe(CONFIG)).toContain(`<UUID>${world.srUuid}</UUID>\n\t\t<Devlist>${IN_USE}</Devlist>`)
    await plugin.close()
    expect(await guest.run('dmsetup ls')).toBe('No devices found\n')
    await world.call('PBD.plug', pbd)
    expect(await world.content(disk.uuid)).toEqual(content)
  })
})
