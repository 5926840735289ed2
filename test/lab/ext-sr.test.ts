import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Guest } from './Guest.ts'
import { describeLab, sharedGuest } from './lab.ts'
import { Plugin } from './Plugin.ts'

const SR = 'e8740000-0000-4000-8000-000000000001'
const GROUP = `XSLocalEXT-${SR}`
const VOLUME = `/dev/${GROUP}/${SR}`

describeLab('EXTSR', () => {
  let guest: Guest
  let plugin: Plugin
  let device: string
  beforeAll(async () => {
    guest = await sharedGuest()
    await guest.run('lvm_setup')
    plugin = await Plugin.start(guest, { plugin: 'EXTSR', srUuid: SR })
  })
  afterAll(async () => {
    await plugin.close()
  })
  beforeEach(async () => {
    device = (await guest.run('loop_disk 200M')).trim()
  })
  afterEach(async () => {
    await guest.run(`
      if mountpoint -q ${plugin.mountPoint}; then umount ${plugin.mountPoint}; fi
      vgs --noheadings -o vg_name 2>/dev/null | while read -r group; do vgremove -qq -f "$group"; done
      losetup --noheadings --list --output NAME | while read -r loop; do drop_loop "$loop"; done`)
  })

  const mounts = () => guest.run(`findmnt -n -o SOURCE,FSTYPE ${plugin.mountPoint} || true`)
  const volumes = () => guest.run('lvs --noheadings -o vg_name,lv_name,lv_active 2>/dev/null')

  test('sr_create makes a volume of all the room and a file system, sr_attach mounts it, sr_detach and sr_delete undo that', async () => {
    await plugin.create({ device })
    expect((await volumes()).trim()).toMatch(new RegExp(`^${GROUP} +${SR} +active$`))
    expect(await guest.run(`blkid -o value -s TYPE ${VOLUME}; vgs --noheadings -o vg_free ${GROUP}`)).toMatch(
      /^ext4\n +0 *\n$/,
    )
    await plugin.ok('sr_attach', { device })
    expect(await mounts()).toMatch(/XSLocalEXT.* ext4\n$/)
    expect(await guest.run(`stat -c %a ${plugin.mountPoint}`)).toBe('700\n')
    await plugin.ok('sr_attach', { device })
    await plugin.ok('sr_detach', { device })
    expect(await mounts()).toBe('')
    expect(await guest.run(`ls ${plugin.mountPoint} 2>&1 || true`)).toContain('No such file')
    expect((await volumes()).trim()).toMatch(new RegExp(`^${GROUP} +${SR}$`))
    await plugin.ok('sr_detach', { device })
    await plugin.ok('sr_attach', { device })
    await plugin.ok('sr_delete', { device })
    expect(await volumes()).toBe('')
    expect(await guest.run(`pvs --noheadings 2>/dev/null; blkid ${device} || true`)).toBe('')
  })

  test('several devices become one striped volume', async () => {
    const second = (await guest.run('loop_disk 120M')).trim()
    const both = `${device},${second}`
    await plugin.create({ device: both })
    expect(await guest.run(`lvs --noheadings -o stripes,stripe_size --units m ${VOLUME}`)).toMatch(/2 +2\.00m/)
    await plugin.ok('sr_attach', { device: both })
    expect(await plugin.probe({ device: both })).toContain(`<Devlist>${both}</Devlist>`)
    await plugin.ok('sr_delete', { device: both })
    expect(await guest.run('pvs --noheadings 2>/dev/null')).toBe('')
  })

  test('sr_probe lists the SRs on devices with the size of their groups', async () => {
    expect(await plugin.probe({ device })).toBe('<?xml version="1.0" ?>\n<SRlist/>\n')
    await plugin.create({ device })
    const size = (await guest.run(`vgs --noheadings --nosuffix --units b -o vg_size ${GROUP}`)).trim()
    expect(await plugin.probe({ device })).toBe(
      `<?xml version="1.0" ?>\n<SRlist>\n\t<SR>\n\t\t<UUID>${SR}</UUID>\n\t\t<Devlist>${device}</Devlist>\n\t\t<size>${size}</size>\n\t</SR>\n</SRlist>\n`,
    )
    expect(await plugin.probe({ device: '/dev/nowhere' })).toContain('<SRlist/>')
  })

  describe('sr_create refuses', () => {
    test('no device (90), a missing one (19), what is none (19), an option (19)', async () => {
      expect((await plugin.fault('sr_create', {})).code).toBe(90)
      for (const wrong of ['/dev/nowhere', '/etc/hostname', '--help']) {
        const fault = await plugin.fault('sr_create', { device: wrong })
        expect(fault).toMatchObject({ code: 19 })
        expect(fault.message).toContain(`[opterr=Device ${wrong} does not exist]`)
      }
      expect(await volumes()).toBe('')
    })

    test('the disk of the host (105)', async () => {
      const ofHost = await Plugin.start(guest, { plugin: 'EXTSR', srUuid: SR })
      await ofHost.addToInventory('PRIMARY_DISK', device)
      expect((await ofHost.fault('sr_create', { device })).code).toBe(105)
      await ofHost.close()
    })

    test('a device that is in use (16), leaving its content alone', async () => {
      await guest.run(
        `mkfs.ext4 -q ${device}; mkdir -p /tmp/busy; mount ${device} /tmp/busy; echo kept > /tmp/busy/file`,
      )
      expect((await plugin.fault('sr_create', { device })).code).toBe(16)
      expect(await guest.run('cat /tmp/busy/file; umount /tmp/busy')).toBe('kept\n')
    })

    test('a device of another SR (16)', async () => {
      const besideOther = await Plugin.start(guest, { plugin: 'EXTSR', srUuid: SR })
      await besideOther.otherSr({ device })
      expect((await besideOther.fault('sr_create', { device })).code).toBe(16)
      await besideOther.close()
    })

    test('an SR that exists, attached or not (42)', async () => {
      await plugin.create({ device })
      expect((await plugin.fault('sr_create', { device })).code).toBe(42)
      await plugin.ok('sr_attach', { device })
      expect((await plugin.fault('sr_create', { device })).code).toBe(42)
      await plugin.ok('sr_detach', { device })
    })

    test.each([
      ['without room for a volume', '11M', 44],
      ['smaller than what is zeroed', '5M', 54],
    ])('a device %s', async (_what, size, code) => {
      const small = (await guest.run(`loop_disk ${size}`)).trim()
      expect((await plugin.fault('sr_create', { device: small })).code).toBe(code)
    })
  })

  test('sr_attach repairs what fsck may repair, and refuses what it may not (52)', async () => {
    await plugin.create({ device })
    // The free block count is one of the things that a preen corrects.
    await guest.run(
      `debugfs -w -R 'ssv free_blocks_count 5' ${VOLUME} 2>/dev/null; tune2fs -E force_fsck ${VOLUME} >/dev/null`,
    )
    await plugin.ok('sr_attach', { device })
    await plugin.ok('sr_detach', { device })
    await guest.run(
      `lvchange -ay ${VOLUME}; dd if=/dev/zero of=${VOLUME} bs=1M count=64 2>/dev/null; lvchange -an ${VOLUME}`,
    )
    const fault = await plugin.fault('sr_attach', { device })
    expect(fault.code).toBe(52)
    expect(fault.message).toContain(`FSCK failed on ${VOLUME}. Errno is 8`)
    expect(await mounts()).toBe('')
    expect((await volumes()).trim()).toMatch(new RegExp(`^${GROUP} +${SR}$`))
  })

  test('sr_attach without a volume is refused (52), and sr_scan without an attach (47)', async () => {
    expect((await plugin.fault('sr_attach', { device })).code).toBe(52)
    const fault = await plugin.fault('sr_scan', { device })
    expect(fault).toMatchObject({ code: 47 })
    expect(fault.message).toContain('[opterr=no such directory /')
  })

  test('sr_detach while a file is open is refused (16)', async () => {
    await plugin.create({ device })
    await plugin.ok('sr_attach', { device })
    await guest.run(`sleep 300 > ${plugin.mountPoint}/open & echo $! > /tmp/holder`)
    expect((await plugin.fault('sr_detach', { device })).code).toBe(16)
    await guest.run('kill $(cat /tmp/holder); while [ -e /proc/$(cat /tmp/holder)/fd/1 ]; do sleep 0.05; done')
    await plugin.ok('sr_detach', { device })
  })

  test('sr_delete refuses devices of another group (92), and finishes what an interruption left', async () => {
    await plugin.create({ device })
    const second = (await guest.run('loop_disk 100M')).trim()
    await guest.run(`vgcreate -qq VG_other ${second}`)
    expect((await plugin.fault('sr_delete', { device: second })).code).toBe(92)
    expect(await guest.run('vgs --noheadings -o vg_name VG_other')).toContain('VG_other')
    await guest.run(`lvremove -qq -f ${VOLUME}`)
    await plugin.ok('sr_delete', { device })
    expect(await guest.run(`pvs --noheadings -o pv_name 2>/dev/null`)).not.toContain(device)
  })
})
