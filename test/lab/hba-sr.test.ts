import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Disk } from '../support/World.ts'
import type { Guest } from './Guest.ts'
import { describeLab, sharedGuest } from './lab.ts'
import { Plugin } from './Plugin.ts'
import { createRemoteWorld, type AnyWorld } from './RemoteWorld.ts'

const SCSI_ID = '36001405bbbb000100004000800000000'
const SERIAL = 'bbbb0001-0000-4000-8000-0000000000c3'
const OTHER_ID = '36001405cccc000100004000800000000'
const OTHER_SERIAL = 'cccc0001-0000-4000-8000-0000000000c3'
const SR = 'eba00000-0000-4000-8000-000000000001'
const MIB = 1024 * 1024
const GROUP = `VG_XenStorage-${SR}`
const LINK = `/dev/disk/by-id/scsi-${SCSI_ID}`
const BLANK = '<?xml version="1.0" ?>\n<SRlist/>\n'

/** The LUN is on a loop device, so that it can grow. */
const START = `
  udev_scsi_only
  # Not what the target has the disks on.
  lvm_setup '^/dev/sd'
  target_start
  loop=$(loop_disk 512M)
  store=$LIO/core/fileio_0/disk0
  mkdir -p "$store"
  printf %s "fd_dev_name=$loop,fd_dev_size=$((512 * 1024 * 1024))" >"$store/control"
  printf %s ${SERIAL} >"$store/wwn/vpd_unit_serial"
  echo 1 >"$store/enable"
  target_disk 1 300M ${OTHER_SERIAL}
  scsi_host 5000000000000001 0 1
  within 20 test -e ${LINK}
  echo "$loop"`
/** What a failed test leaves, and the disk blank again. */
const CLEAN = `
  dmsetup remove_all --force
  rm -rf /dev/VG_XenStorage-*
  for host in /sys/class/scsi_host/host*; do echo '- - -' >"$host/scan"; done
  udevadm settle
  wipefs -qaf ${LINK} /dev/disk/by-id/scsi-${OTHER_ID}`

describeLab('LVHDoHBASR', () => {
  let guest: Guest
  let loop: string
  beforeAll(async () => {
    guest = await sharedGuest()
    loop = (await guest.run(START)).trim()
  })
  afterEach(async () => {
    await guest.run(CLEAN)
  })

  describe('called as xapi calls it', () => {
    const start = (more = {}) => Plugin.start(guest, { plugin: 'LVHDoHBASR', srUuid: SR, pbdConfig: {}, ...more })
    const config = { SCSIid: SCSI_ID }
    let plugin: Plugin
    beforeAll(async () => {
      plugin = await start()
    })
    afterAll(async () => {
      await plugin.close()
    })

    test('without a LUN sr_probe lists those that there are, to stderr, and fails with 107', async () => {
      const process = await start({ asProcess: true })
      const fault = await process.fault('sr_probe', {})
      await process.close()
      const lun = (path: string, id: string, serial: string, size: number, number: number) =>
        `\t<BlockDevice>
\t\t<path>${path}</path>
\t\t<numpaths>1</numpaths>
\t\t<SCSIid>${id}</SCSIid>
\t\t<vendor>LIO-ORG</vendor>
\t\t<serial>${serial}</serial>
\t\t<size>${size * MIB}</size>
\t\t<adapter>0</adapter>
\t\t<channel>0</channel>
\t\t<id>1</id>
\t\t<lun>${number}</lun>
\t\t<hba>tcm_loopback</hba>
\t</BlockDevice>\n`
      expect(fault.code).toBe(107)
      expect(fault.stderr).toBe(`<?xml version="1.0" ?>
<Devlist>
${lun('/dev/sda', SCSI_ID, SERIAL, 512, 0)}${lun('/dev/sdb', OTHER_ID, OTHER_SERIAL, 300, 1)}\t<Adapter>
\t\t<host>host0</host>
\t\t<name>tcm_loopback</name>
\t\t<manufacturer>Unknown</manufacturer>
\t\t<id>0</id>
\t</Adapter>
</Devlist>\n\n`)
    })

    test('an SR comes and goes with its LUN', async () => {
      expect(await plugin.probe(config)).toBe(BLANK)
      await plugin.create(config)
      expect(await plugin.smConfig()).toMatchObject({ devserial: `scsi-${SCSI_ID}`, use_vhd: 'true' })
      expect(await plugin.probe(config)).toMatch(
        new RegExp(`<UUID>${SR}</UUID>\n\t\t<Devlist>/dev/disk/by-id/scsi-\\w+</Devlist>`),
      )
      expect(await plugin.fault('sr_create', config, { args: ['0'] })).toMatchObject({ code: 42 })
      await plugin.ok('sr_attach', config)
      expect(await plugin.smConfig()).toMatchObject({ multipathable: 'true', allocation: 'thick' })
      await plugin.ok('sr_attach', config)
      await plugin.ok('sr_scan', config)
      await plugin.ok('sr_detach', config)
      await plugin.ok('sr_detach', config)
      expect(await guest.run('dmsetup ls')).toContain('No devices')
      await plugin.ok('sr_attach', config)
      await plugin.ok('sr_delete', config)
      expect(await guest.run('test -e /dev/sda || echo gone; test -e /dev/sdb && echo there')).toBe('gone\nthere\n')
      // An attach looks for a LUN that is not there.
      expect(await plugin.fault('sr_attach', config)).toMatchObject({ code: 47 })
      expect(await plugin.probe(config)).toBe(BLANK)
    })

    test('a LUN that an SR is on is refused to any other, and not offered', async () => {
      const second = await start()
      await second.otherSr({ SCSIid: SCSI_ID })
      await second.otherSr({}, { devserial: `scsi-${OTHER_ID}` })
      expect(await second.fault('sr_create', config, { args: ['0'] })).toMatchObject({ code: 16 })
      expect(await second.fault('sr_create', { SCSIid: OTHER_ID }, { args: ['0'] })).toMatchObject({ code: 16 })
      await second.close()
      expect(await guest.run(`blkid ${LINK} || echo blank`)).toBe('blank\n')
    })

    test('a SCSIid that is no name of a disk is refused (107), one that no disk has is not found (19, 47)', async () => {
      for (const SCSIid of ['../sda', '-f', 'a b']) {
        expect(await plugin.fault('sr_attach', { SCSIid })).toMatchObject({ code: 107 })
      }
      expect(await plugin.fault('sr_create', { SCSIid: '36nothing' }, { args: ['0'] })).toMatchObject({ code: 19 })
      expect(await plugin.fault('sr_attach', { SCSIid: '36nothing' })).toMatchObject({ code: 47 })
    })

    test('a copy of the LUN beside it is refused (119), until it is gone', async () => {
      await plugin.create(config)
      await guest.run(`dd if=${LINK} of=/dev/disk/by-id/scsi-${OTHER_ID} bs=1M count=20 conv=fsync 2>/dev/null`)
      expect(await plugin.fault('sr_attach', config)).toMatchObject({ code: 119 })
      await guest.run(`wipefs -qaf /dev/disk/by-id/scsi-${OTHER_ID}`)
      await plugin.ok('sr_attach', config)
      await plugin.ok('sr_detach', config)
    })

    test('the group grows with the LUN once it is told to scan', async () => {
      await plugin.create(config)
      await plugin.ok('sr_attach', config)
      const size = async () => Number(await guest.run(`vgs --noheadings --nosuffix --units m -o vg_size ${GROUP}`))
      expect(await size()).toBe(496)
      await guest.run(`truncate -s 700M $(losetup --noheadings --output BACK-FILE ${loop}); losetup -c ${loop}`)
      await plugin.ok('sr_scan', config)
      expect(await size()).toBe(684)
      await plugin.ok('sr_detach', config)
    })

    test('a LUN that has vanished fails what needs it (47), and comes back when it does', async () => {
      await plugin.create(config)
      await plugin.ok('sr_attach', config)
      await plugin.ok('sr_detach', config)
      const link = '$LIO/loopback/naa.5000000000000001/tpgt_1/lun/lun_0/disk'
      await guest.run(`rm ${link}; within 20 test ! -e /dev/sda`)
      expect(await plugin.fault('sr_attach', config)).toMatchObject({ code: 47 })
      await guest.run(`ln -s $LIO/core/fileio_0/disk0 ${link}`)
      await plugin.ok('sr_attach', config)
      await plugin.ok('sr_detach', config)
    })
  })

  describe('in a pool', () => {
    let world: AnyWorld
    let disk: Disk
    beforeAll(async () => {
      world = await createRemoteWorld(guest, { type: 'lvmohba', deviceConfig: { SCSIid: SCSI_ID } })
      disk = await world.createVdi('disk', 8)
    })
    afterAll(async () => {
      await world.close()
    })

    test('a disk is reverted in place, also after the SR was away', async () => {
      await world.write(disk, 7, 1, 2)
      const before = await world.content(disk.uuid)
      const snapshot = await world.snapshot(disk)
      await world.write(disk, 9, 0, 3)
      await world.revert(snapshot)
      expect(await world.content(disk.uuid)).toEqual(before)
      const pbd = await world.pbd()
      await world.call('PBD.unplug', pbd)
      await world.call('PBD.plug', pbd)
      expect(await world.content(disk.uuid)).toEqual(before)
    })
  })
})
