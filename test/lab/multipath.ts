import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Disk } from '../support/World.ts'
import type { Guest } from './Guest.ts'
import { sharedGuest } from './lab.ts'
import { Plugin } from './Plugin.ts'
import { createRemoteWorld, type AnyWorld } from './RemoteWorld.ts'

const SCSI_ID = '36001405bbbb000100004000800000000'
const MAP = `/dev/mapper/${SCSI_ID}`
const IN_USE = `/dev/disk/mpInuse/${SCSI_ID}`
/** A target with one disk, and udev as multipathd needs it, which is for the driver to start. */
const START = `
  udev_scsi_only
  # multipathd goes by what udev knows of disks and maps.
  for rules in 55-dm 60-persistent-storage; do rm /etc/udev/rules.d/$rules.rules; done
  # By itself udev looks for changed rules only every few seconds.
  udevadm control --reload
  lvm_setup '^/dev/sd' '^/dev/mapper/36'
  target_start
  target_disk 0 400M bbbb0001-0000-4000-8000-0000000000c3
  multipath_config`

/** How a host comes to two paths to a LUN, sda and sdb. */
export interface TwoPaths {
  /** In the guest, after which the paths are there or can be brought by the driver. */
  readonly start: string
  readonly plugin: 'LVHDoHBASR' | 'LVHDoISCSISR'
  readonly type: 'lvmohba' | 'lvhdoiscsi'
  readonly deviceConfig: Readonly<Record<string, string>>
}

/** SCSI id of the disk that the paths lead to. */
export const LUN_ID = SCSI_ID

/** What holds of an SR on a map, whatever its paths are. */
export function describeMultipath({ start, plugin: name, type, deviceConfig }: TwoPaths): void {
  const config = { ...deviceConfig, SCSIid: SCSI_ID, multipathing: 'true', multipathhandle: 'dmp' }
  const hostConfig = { iscsi_iqn: 'iqn.2026-01.org.example:host' }
  const startPlugin = () => Plugin.start(guest, { plugin: name, srUuid: crypto.randomUUID(), hostConfig })
  let guest: Guest
  let world: AnyWorld
  let disk: Disk
  beforeAll(async () => {
    guest = await sharedGuest()
    await guest.run(`${START}\n${start}\nudevadm settle`)
    world = await createRemoteWorld(guest, { type, deviceConfig: config, hostConfig })
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
    const plugin = await startPlugin()
    expect(await plugin.fault('sr_probe', config)).toMatchObject({ code: 16 })
    await plugin.close()
    expect(await guest.run(`test -e ${MAP} && echo there`)).toBe('there\n')
  })

  test('a detached SR leaves no map, and is found by a probe and attached again', async () => {
    const pbd = await world.pbd()
    const content = await world.content(disk.uuid)
    await world.call('PBD.unplug', pbd)
    expect(await guest.run(`dmsetup ls; ls ${MAP} ${IN_USE} 2>&1 || true`)).toMatch(/^No devices found\n(ls: .*\n){2}$/)
    expect(await counts()).toEqual({})
    const plugin = await startPlugin()
    expect(await plugin.probe(config)).toContain(`<UUID>${world.srUuid}</UUID>\n\t\t<Devlist>${IN_USE}</Devlist>`)
    await plugin.close()
    expect(await guest.run('dmsetup ls')).toBe('No devices found\n')
    await world.call('PBD.plug', pbd)
    expect(await world.content(disk.uuid)).toEqual(content)
  })
}
