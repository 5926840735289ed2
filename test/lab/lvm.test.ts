import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { GroupReport } from '../../lib/lvm/report.ts'
import type { Guest } from './Guest.ts'
import { describeLab, sharedGuest } from './lab.ts'
import { Volumes } from './Volumes.ts'

const MIB = 1024 * 1024
const SR = '11f00000-0000-4000-8000-000000000001'
const GROUP = `VG_XenStorage-${SR}`

describeLab('volume groups', () => {
  let guest: Guest
  let lvm: Volumes
  let device: string
  beforeAll(async () => {
    guest = await sharedGuest()
    await guest.run('lvm_setup')
    lvm = await Volumes.start(guest, SR)
  })
  afterAll(async () => {
    await lvm.close()
  })
  beforeEach(async () => {
    device = (await guest.run('loop_disk 100M')).trim()
    await lvm.ok('groups', 'create', [device])
    await lvm.begin()
    await lvm.takeCommands()
  })
  afterEach(async () => {
    await guest.run(`
      dmsetup ls | awk '/^VG_XenStorage/ {print $1}' | while read -r name; do dmsetup remove "$name"; done
      vgs --noheadings -o vg_name 2>/dev/null | while read -r group; do vgremove -qq -f "$group"; done
      losetup --noheadings --list --output NAME | while read -r loop; do drop_loop "$loop"; done
      rm -rf /dev/${GROUP}`)
    await lvm.begin()
  })

  const report = async () => (await lvm.ok('group', 'report')) as GroupReport
  const names = () => guest.run(`lvs --noheadings -o lv_name,lv_active ${GROUP} 2>/dev/null | sed 's/^ *//;s/ *$//'`)
  const mapped = () => guest.run(`ls /dev/mapper | grep VG_ || true; ls /dev/${GROUP} 2>/dev/null || true`)

  test('are made as the reference makes them, and removed without a trace', async () => {
    const { size, free, extentSize, physicalVolumes } = await report()
    expect([size, free, extentSize]).toEqual([88 * MIB, 88 * MIB, 4 * MIB])
    expect(physicalVolumes).toMatchObject([{ device, size: 88 * MIB }])
    expect((await guest.run(`pvs --noheadings --nosuffix --units b -o pe_start ${device}`)).trim()).toBe('11534336')
    expect(await lvm.ok('groups', 'on', [device, '/dev/nowhere'])).toEqual([{ name: GROUP, size, devices: [device] }])
    await lvm.ok('group', 'create', 'MGT', 4 * MIB)
    expect(await lvm.error('groups', 'remove')).toMatchObject({ code: 51 })
    await lvm.ok('group', 'remove', 'MGT')
    await lvm.ok('groups', 'remove')
    expect(await guest.run(`pvs --noheadings 2>/dev/null; blkid ${device} || true`)).toBe('')
    await lvm.begin()
    expect(await lvm.ok('group', 'exists')).toBe(false)
    expect(await lvm.error('group', 'report')).toMatchObject({ code: 47 })
    expect(await lvm.error('groups', 'remove')).toMatchObject({ code: 100 })
    expect(await lvm.ok('groups', 'on', [device])).toEqual([])
  })

  test('lie on several disks, and grow with them', async () => {
    const [second = '', third = ''] = (await guest.run('loop_disk 60M; loop_disk 60M')).trim().split('\n')
    await lvm.ok('groups', 'remove')
    await lvm.ok('groups', 'create', [device, second])
    await lvm.begin()
    const { size } = await report()
    expect(await lvm.ok('groups', 'on', [second])).toEqual([{ name: GROUP, size, devices: [device, second] }])
    await guest.run(`truncate -s 200M $(losetup --noheadings --output BACK-FILE ${second}); losetup -c ${second}`)
    await lvm.ok('groups', 'grow', [second, '/dev/nowhere', third])
    await lvm.begin()
    expect((await report()).size).toBeGreaterThanOrEqual(size + 136 * MIB)
    expect(await lvm.error('groups', 'create', [third])).toMatchObject({ code: 77 })
    expect(await lvm.error('groups', 'create', ['--help'])).toMatchObject({ code: 19 })
  })

  test('are what this object remembers of them, after every kind of change', async () => {
    await lvm.ok('group', 'create', 'VHD-a', 5 * MIB, ['x', 'y'])
    await report()
    await lvm.ok('group', 'create', 'VHD-b', 16 * MIB)
    await lvm.ok('group', 'resize', 'VHD-a', 12 * MIB)
    await lvm.ok('group', 'resize', 'VHD-b', 4 * MIB)
    await lvm.ok('group', 'rename', 'VHD-a', 'VHD-c')
    await lvm.ok('group', 'setWritable', 'VHD-c', false)
    await lvm.ok('group', 'setTag', 'VHD-c', 'hidden', true)
    await lvm.ok('group', 'setTag', 'VHD-c', 'x', false)
    await lvm.ok('group', 'deactivate', ['VHD-c'])
    const { volumes, ...remembered } = await report()
    expect(await lvm.takeCommands()).toHaveLength(10)
    await lvm.begin()
    const { volumes: real, ...facts } = await report()
    expect(facts).toEqual(remembered)
    const bare = (all: typeof real) =>
      [...all.values()].map(({ segments: _, tags, ...rest }) => [rest, [...tags].sort()])
    expect(bare(volumes)).toEqual(expect.arrayContaining(bare(real)))
    expect(real.get('VHD-c')).toMatchObject({ size: 12 * MIB, writable: false, active: false })
    expect([...(real.get('VHD-c')?.tags ?? [])].sort()).toEqual(['hidden', 'y'])
  })

  test('each change is one commit of metadata', async () => {
    const seqno = async () => Number(await guest.run(`vgs --noheadings -o vg_seqno ${GROUP}`))
    const before = await seqno()
    await lvm.ok('group', 'create', 'VHD-a', 8 * MIB, ['journaler'])
    await lvm.ok('group', 'rename', 'VHD-a', 'VHD-b')
    await lvm.ok('group', 'resize', 'VHD-b', 4 * MIB)
    await lvm.ok('group', 'setTag', 'VHD-b', 'journaler', false)
    await lvm.ok('group', 'setWritable', 'VHD-b', false)
    await lvm.ok('group', 'deactivate', ['VHD-b'])
    await lvm.ok('group', 'activate', ['VHD-b'])
    await lvm.ok('group', 'remove', 'VHD-b')
    expect(await seqno()).toBe(before + 6)
  })

  describe('failures', () => {
    test('a full group, a missing or doubled volume are told apart, with exit code 5', async () => {
      await lvm.ok('group', 'create', 'LV-a', 80 * MIB)
      expect(await lvm.error('group', 'create', 'LV-b', 12 * MIB)).toMatchObject({ reason: 'noSpace' })
      expect(await lvm.error('group', 'resize', 'LV-a', 400 * MIB)).toMatchObject({ reason: 'noSpace' })
      expect(await lvm.error('group', 'create', 'LV-a', 4 * MIB)).toMatchObject({ reason: 'exists' })
      await lvm.ok('group', 'create', 'LV-b', 4 * MIB)
      expect(await lvm.error('group', 'rename', 'LV-a', 'LV-b')).toMatchObject({ reason: 'exists' })
      expect(await lvm.error('group', 'rename', 'LV-none', 'LV-c')).toMatchObject({ reason: 'missing' })
      expect(await lvm.error('group', 'remove', 'LV-none')).toMatchObject({ reason: 'missing' })
      expect(await lvm.error('group', 'activate', ['LV-none'])).toMatchObject({ reason: 'missing' })
      await lvm.ok('group', 'createOverFreeSpace', 'LV-c')
      expect(await lvm.error('group', 'createOverFreeSpace', 'LV-d')).toMatchObject({ reason: 'noSpace' })
      expect((await report()).free).toBe(0)
    })

    test('a volume that is open is neither unmapped nor removed; unmapping goes on with the others', async () => {
      for (const name of ['LV-a', 'LV-b', 'LV-c']) await lvm.ok('group', 'create', name, 4 * MIB)
      await guest.run(`sleep 300 < /dev/${GROUP}/LV-b & echo $! > /tmp/holder`)
      try {
        expect(await lvm.error('group', 'deactivate', ['LV-a', 'LV-b', 'LV-c'])).toMatchObject({ reason: 'inUse' })
        expect(await names()).toBe('LV-a\nLV-b active\nLV-c\n')
        expect((await report()).volumes.get('LV-b')).toMatchObject({ open: true })
        expect(await lvm.error('group', 'remove', 'LV-a', 'LV-b', 'LV-c')).toMatchObject({ reason: 'inUse' })
        expect(await names()).toContain('LV-b active\n')
        await lvm.ok('group', 'rename', 'LV-b', 'LV-d')
      } finally {
        await guest.run('kill $(cat /tmp/holder); while [ -e /proc/$(cat /tmp/holder)/fd/0 ]; do sleep 0.05; done')
      }
      await lvm.ok('group', 'remove', 'LV-a', 'LV-c', 'LV-d')
      expect(await mapped()).toBe('')
    })

    test('a mapping whose volume is gone is removed, unless it is in use', async () => {
      await lvm.ok('group', 'create', 'VHD-a', 4 * MIB)
      await lvm.ok('group', 'deactivate', ['VHD-a'])
      const node = `VG_XenStorage--${SR.replaceAll('-', '--')}-VHD--a`
      const stale = `
        dmsetup create ${node} --table '0 8192 linear ${device} 22528'
        dmsetup mknodes
        mkdir -p /dev/${GROUP}
        ln -sf /dev/mapper/${node} /dev/${GROUP}/VHD-a`
      await lvm.ok('group', 'remove', 'VHD-a')
      await guest.run(stale)
      await lvm.ok('group', 'deactivate', ['VHD-a'])
      expect(await mapped()).toBe('')
      await guest.run(`${stale}\nsleep 300 < /dev/${GROUP}/VHD-a & echo $! > /tmp/holder`)
      try {
        expect(await lvm.error('groups', 'clear')).toMatchObject({ reason: 'inUse' })
        expect(await mapped()).toBe(`${node}\nVHD-a\n`)
      } finally {
        await guest.run('kill $(cat /tmp/holder); while [ -e /proc/$(cat /tmp/holder)/fd/0 ]; do sleep 0.05; done')
      }
      await lvm.ok('groups', 'clear')
      expect(await mapped()).toBe('')
      expect(await guest.run(`ls -d /dev/${GROUP} 2>/dev/null || true`)).toBe('')
    })

    test('a mapping that another volume left under the name is replaced, unless it is in use', async () => {
      for (const name of ['VHD-a', 'VHD-b']) await lvm.ok('group', 'create', name, 4 * MIB)
      await guest.run(
        `head -c 4096 /dev/urandom > /tmp/own; dd if=/tmp/own of=/dev/${GROUP}/VHD-a conv=fsync status=none`,
      )
      await lvm.ok('group', 'deactivate', ['VHD-a', 'VHD-b'])
      const node = `VG_XenStorage--${SR.replaceAll('-', '--')}-VHD--a`
      const foreign = `
        dmsetup create ${node} --uuid LVM-foreign --table '0 8192 linear ${device} 40960'
        dmsetup mknodes
        mkdir -p /dev/${GROUP}
        ln -sf /dev/mapper/${node} /dev/${GROUP}/VHD-a`
      await guest.run(`${foreign}\nsleep 300 < /dev/${GROUP}/VHD-a & echo $! > /tmp/holder`)
      try {
        await lvm.begin()
        expect(await lvm.error('group', 'activate', ['VHD-a'])).toMatchObject({ reason: 'inUse' })
      } finally {
        await guest.run('kill $(cat /tmp/holder); while [ -e /proc/$(cat /tmp/holder)/fd/0 ]; do sleep 0.05; done')
      }
      await lvm.begin()
      await lvm.ok('group', 'activate', ['VHD-a'])
      await guest.run(`head -c 4096 /dev/${GROUP}/VHD-a | cmp - /tmp/own; rm /tmp/own`)
      await lvm.ok('group', 'remove', 'VHD-a', 'VHD-b')
      expect(await mapped()).toBe('')
    })

    test('a group without one of its disks is refused, not damaged', async () => {
      const second = (await guest.run('loop_disk 60M')).trim()
      await guest.run(`vgextend -qq ${GROUP} ${second}`)
      await lvm.ok('group', 'create', 'LV-a', 120 * MIB)
      await lvm.ok('group', 'deactivate', ['LV-a'])
      const image = (
        await guest.run(`losetup --noheadings --output BACK-FILE ${second}; losetup --detach ${second}`)
      ).trim()
      await lvm.begin()
      expect((await report()).physicalVolumes.map(({ device: name }) => name)).toEqual([device, '[unknown]'])
      expect(await lvm.error('group', 'create', 'LV-b', 4 * MIB)).toMatchObject({ reason: 'other' })
      expect(await lvm.error('group', 'activate', ['LV-a'])).toMatchObject({ reason: 'other' })
      await guest.run(`losetup ${second} ${image}`)
      await lvm.begin()
      await lvm.ok('group', 'activate', ['LV-a'])
    })
  })
})
