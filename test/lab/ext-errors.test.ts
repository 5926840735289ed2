import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Guest } from './Guest.ts'
import { describeLab, sharedGuest } from './lab.ts'
import { Plugin } from './Plugin.ts'

const SR = 'e8740000-0000-4000-8000-000000000002'
const GROUP = `XSLocalEXT-${SR}`
const VOLUME = `/dev/${GROUP}/${SR}`

describeLab('EXTSR on disks and LVM that fail', () => {
  let guest: Guest
  let plugin: Plugin
  let device: string
  beforeAll(async () => {
    guest = await sharedGuest()
    plugin = await Plugin.start(guest, { plugin: 'EXTSR', srUuid: SR })
  })
  afterAll(async () => {
    await plugin.close()
  })
  beforeEach(async () => {
    device = (await guest.run('lvm_setup; loop_disk 100M')).trim()
  })
  afterEach(async () => {
    await guest.run(`
      if mountpoint -q ${plugin.mountPoint}; then umount ${plugin.mountPoint}; fi
      if [ -e /dev/mapper/failing ]; then lvm_setup '^/dev/mapper/failing'; else lvm_setup; fi
      vgs --noheadings -o vg_name 2>/dev/null | while read -r group; do vgremove -qq -f "$group"; done
      drop_mapped failing
      losetup --noheadings --list --output NAME | while read -r loop; do drop_loop "$loop"; done`)
  })

  /** A device on `device` whose middle, from `from` to `to` MiB, answers every request with an error. */
  const failing = async (from: number, to: number) => {
    const sectors = (mib: number) => mib * 2048
    const table = [
      `0 ${sectors(from)} linear ${device} 0`,
      `${sectors(from)} ${sectors(to - from)} error`,
      `${sectors(to)} ${sectors(100 - to)} linear ${device} ${sectors(to)}`,
    ]
    await guest.run(`
      lvm_setup '^/dev/mapper/failing'
      mapped_disk failing <<'TABLE'
${table.join('\n')}
TABLE`)
    return '/dev/mapper/failing'
  }

  describe('sr_create', () => {
    test('cannot overwrite the start of a device (54), and makes nothing', async () => {
      expect((await plugin.fault('sr_create', { device: await failing(4, 8) })).code).toBe(54)
      expect(await guest.run('vgs --noheadings 2>/dev/null')).toBe('')
    })

    test('cannot make the second device a physical volume (55)', async () => {
      const second = (await guest.run(`loop_disk 100M; lvm_setup '^${device}$'`)).trim()
      const fault = await plugin.fault('sr_create', { device: `${device},${second}` })
      expect(fault.code).toBe(55)
      expect(await guest.run('vgs --noheadings 2>/dev/null')).toBe('')
    })

    test('cannot make the group (77)', async () => {
      await guest.run("lvm_setup '^/dev/nothing'")
      expect((await plugin.fault('sr_create', { device })).code).toBe(77)
    })

    test('cannot make the volume (50), and goes on from there when it can', async () => {
      await guest.run(`vgcreate -qq --metadatasize 10M ${GROUP} ${device}; pvchange -qq -x n ${device}`)
      expect((await plugin.fault('sr_create', { device })).code).toBe(50)
      await guest.run(`pvchange -qq -x y ${device}`)
      await plugin.create({ device })
      await plugin.ok('sr_attach', { device })
      await plugin.ok('sr_detach', { device })
    })

    test('cannot make the file system (57)', async () => {
      expect((await plugin.fault('sr_create', { device: await failing(40, 80) })).code).toBe(57)
    })

    test('cannot ask the database who has the device (152), and touches nothing', async () => {
      const effects = await plugin.trace('sr_create', { device: '/dev/nowhere' })
      const query = effects.findIndex(effect => /xapi PBD\.get_all_records_where/.test(effect)) + 1
      expect(query).toBeGreaterThan(0)
      await guest.run(`mkfs.ext4 -q ${device}`)
      const fault = await plugin.fault('sr_create', { device }, undefined, `effect:${query}=ECONNRESET`)
      expect(fault.code).toBe(152)
      expect(await guest.run(`blkid -o value -s TYPE ${device}`)).toBe('ext4\n')
    })
  })

  test('sr_attach cannot mount (61), and leaves the volume inactive and what is below the mount point', async () => {
    await plugin.create({ device })
    await guest.run(`mkdir -p ${plugin.mountPoint}; touch ${plugin.mountPoint}/somebodys`)
    await guest.run(`lvchange -ay ${VOLUME}; wipefs -qa ${VOLUME}; mkswap -q ${VOLUME}; lvchange -an ${VOLUME}`)
    expect((await plugin.fault('sr_attach', { device })).code).toBe(61)
    expect(await guest.run(`lvs --noheadings -o lv_active ${VOLUME} 2>/dev/null`)).not.toContain('active')
    expect(await guest.run(`rm -v ${plugin.mountPoint}/somebodys`)).toContain('removed')
  })

  test('sr_detach cannot deactivate a volume that something holds (53), and can once it is let go', async () => {
    await plugin.create({ device })
    await plugin.ok('sr_attach', { device })
    await guest.run(`sleep 300 < ${VOLUME} & echo $! > /tmp/holder`)
    expect((await plugin.fault('sr_detach', { device })).code).toBe(53)
    expect(await guest.run(`findmnt ${plugin.mountPoint} || true`)).toBe('')
    await guest.run('kill $(cat /tmp/holder); while [ -e /proc/$(cat /tmp/holder)/fd/0 ]; do sleep 0.05; done')
    await plugin.ok('sr_detach', { device })
    expect(await guest.run(`lvs --noheadings -o lv_active ${VOLUME} 2>/dev/null`)).not.toContain('active')
  })

  describe('sr_delete', () => {
    test('refuses a device that is no physical volume (93)', async () => {
      await plugin.create({ device })
      const other = (await guest.run('loop_disk 20M')).trim()
      expect((await plugin.fault('sr_delete', { device: other })).code).toBe(93)
    })

    test('goes on where it was stopped', async () => {
      await plugin.create({ device })
      await guest.run(`lvremove -qq -f ${VOLUME}; vgremove -qq ${GROUP}`)
      await plugin.ok('sr_delete', { device })
      expect(await guest.run(`pvs ${device} 2>&1 || true`)).toContain('Failed to find physical volume')
    })

    test('leaves a group that somebody else has a volume in (51)', async () => {
      await plugin.create({ device })
      await guest.run(`vgextend -qq ${GROUP} $(loop_disk 40M); lvcreate -qq -y -L 8M -n theirs ${GROUP}`)
      expect((await plugin.fault('sr_delete', { device })).code).toBe(51)
      expect(await guest.run(`lvs --noheadings -o lv_name ${GROUP}`)).toMatch(/^ *theirs *\n$/)
    })
  })
})

describeLab('EXTSR on a SCSI disk', () => {
  const device = '/dev/sda'
  const serial = 'scsi-360014051111111122223333444455555'
  const scheduler = '/sys/block/sda/queue/scheduler'
  let guest: Guest
  let plugin: Plugin
  beforeAll(async () => {
    guest = await sharedGuest()
    await guest.run(`
      lvm_setup
      modules sd_mod sg
      target_start
      target_disk 0 100M 11111111-2222-3333-4444-555555555555
      scsi_host 5000000000000001 0
      within 60 test -b ${device}`)
    plugin = await Plugin.start(guest, { plugin: 'EXTSR', srUuid: SR })
  })
  afterAll(async () => {
    await plugin.close()
    await guest.run('vgs --noheadings -o vg_name 2>/dev/null | xargs -r vgremove -qq -f')
  })

  test('notes the SCSI id of the disk, and sets its scheduler when it is attached', async () => {
    await plugin.create({ device })
    expect(await plugin.smConfig()).toEqual({ devserial: serial })
    expect(await guest.run(`cat ${scheduler}`)).toContain('[mq-deadline]')
    await plugin.ok('sr_attach', { device })
    expect(await guest.run(`cat ${scheduler}`)).toContain('[none]')
    await plugin.ok('sr_detach', { device })
  })

  test('sets the scheduler that other_config names', async () => {
    const wishing = await Plugin.start(guest, { plugin: 'EXTSR', srUuid: SR, otherConfig: { scheduler: 'kyber' } })
    await wishing.ok('sr_attach', { device })
    expect(await guest.run(`cat ${scheduler}`)).toContain('[kyber]')
    await wishing.ok('sr_detach', { device })
    await wishing.close()
  })

  test('is refused where another SR has the SCSI id, whatever the device is called (16)', async () => {
    const besideOther = await Plugin.start(guest, { plugin: 'EXTSR', srUuid: 'e8740000-0000-4000-8000-000000000003' })
    await besideOther.otherSr({ device: '/dev/elsewhere' }, { devserial: `scsi-1,${serial}` })
    const fault = await besideOther.fault('sr_create', { device })
    expect(fault.code).toBe(16)
    expect(fault.message).toContain(serial.slice('scsi-'.length))
    await besideOther.close()
  })
})
