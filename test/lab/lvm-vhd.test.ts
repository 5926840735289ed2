import * as fs from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { VolumeJournal } from '../../lib/journal/VolumeJournals.ts'
import type { Metadata } from '../../lib/lvhd/MetadataVolume.ts'
import type { ScannedVhd } from '../../lib/lvhd/scan.ts'
import type { GroupReport } from '../../lib/lvm/report.ts'
import { projectRoot } from '../support/World.ts'
import type { Guest } from './Guest.ts'
import { describeLab, sharedGuest } from './lab.ts'
import { Volumes } from './Volumes.ts'

const MIB = 1024 * 1024
const ROOM = 2 * MIB * MIB
const SR = '11f00000-0000-4000-8000-000000000002'
const GROUP = `VG_XenStorage-${SR}`
const MAPPED = `VG_XenStorage--${SR.replaceAll('-', '--')}`
const IMAGES = path.join(projectRoot, 'test/fixtures/sr-images')

const volume = (name: string): string => `/dev/${GROUP}/${name}`

let guest: Guest

async function cleanUp(): Promise<void> {
  await guest.run(`
    vgs --noheadings -o vg_name 2>/dev/null | while read -r group; do vgremove -qq -f "$group"; done
    losetup --noheadings --list --output NAME | while read -r loop; do drop_loop "$loop"; done`)
}

describeLab('VHDs on volumes', () => {
  let lvm: Volumes
  beforeAll(async () => {
    guest = await sharedGuest()
    await guest.run('lvm_setup')
    lvm = await Volumes.start(guest, SR)
  })
  afterAll(async () => {
    await lvm.close()
  })
  beforeEach(async () => {
    await guest.run(`vgcreate -qq --metadatasize 10M ${GROUP} $(loop_disk 200M)`)
    await lvm.begin()
  })
  afterEach(cleanUp)

  const vhd = (method: string, ...args: unknown[]) => lvm.ok('vhd', method, ...args)
  const scan = async (...uuids: string[]) =>
    (await lvm.ok('lvhd', 'scan', ...(uuids.length > 0 ? [uuids] : []))) as Map<string, ScannedVhd>
  const vhdUtil = (args: string) => guest.run(`node=$LAB_node; cd /; "$node" /project/dist/vhd-util.cjs ${args}`)

  /** An 8 MiB disk with a child, both on volumes of 16 MiB. */
  async function makeChain(): Promise<void> {
    await lvm.ok('group', 'create', 'VHD-base', 16 * MIB)
    await vhd('create', volume('VHD-base'), 8 * MIB, { maxSize: ROOM })
    await lvm.ok('lvhd', 'write', volume('VHD-base'), 3 * MIB, Buffer.alloc(MIB, 'base'))
    await lvm.ok('group', 'create', 'VHD-leaf', 16 * MIB)
    await vhd('snapshot', volume('VHD-leaf'), volume('VHD-base'), { maxSize: ROOM })
    await lvm.ok('lvhd', 'write', volume('VHD-leaf'), 5 * MIB, Buffer.alloc(MIB, 'leaf'))
  }

  test('have their footer at the end of the volume, and are linked by the name of the mapping', async () => {
    await makeChain()
    const [end, copy] = ['tail', 'head'].map(program => `${program} -c 512 ${volume('VHD-base')} | sha256sum`)
    expect(await guest.run(end ?? '')).toBe(await guest.run(copy ?? ''))
    expect(await vhd('physicalSize', volume('VHD-base'))).toBeLessThan(16 * MIB)
    expect(await vhd('parent', volume('VHD-leaf'))).toBe(`/dev/mapper/${MAPPED}-VHD--base`)
    expect(await vhd('depth', volume('VHD-leaf'))).toBe(2)
    await vhd('setHidden', volume('VHD-base'), true)
    expect(await vhd('hidden', volume('VHD-base'))).toBe(true)
    await vhd('check', volume('VHD-base'))
    await vhd('check', volume('VHD-leaf'))
    const content = await lvm.ok('lvhd', 'sha256', volume('VHD-leaf'))
    await lvm.ok('lvhd', 'coalesce', volume('VHD-leaf'))
    expect(await lvm.ok('lvhd', 'sha256', volume('VHD-base'))).toBe(content)
    await vhd('check', volume('VHD-base'))
  })

  test('are scanned active or not, as they are now, without activating any', async () => {
    await makeChain()
    const rows = await scan()
    expect([...rows.values()]).toMatchObject([
      { uuid: 'base', virtualSize: 8 * MIB, volumeSize: 16 * MIB, hidden: false, parent: undefined },
      { uuid: 'leaf', virtualSize: 8 * MIB, parent: { type: 'vhd', uuid: 'base' } },
    ])
    // What was read before is in the cache of the disk, where writes through the volume never come.
    await guest.run(`dd if=$(pvs --noheadings -o pv_name | tr -d ' ') of=/dev/null bs=1M 2>/dev/null`)
    await vhd('setHidden', volume('VHD-base'), true)
    await lvm.ok('group', 'create', 'VHD-raw', 8 * MIB)
    expect((await scan()).get('base')).toMatchObject({ hidden: true })
    expect(await vhdUtil(`scan -f -m 'VHD-*' -l ${GROUP} || true`)).toContain(
      `vhd=VHD-base capacity=${8 * MIB} size=${16 * MIB} hidden=1 parent=none\n`,
    )
    expect((await scan()).get('raw')).toHaveProperty('error')
    await lvm.ok('group', 'remove', 'VHD-raw')
    await guest.run(`vgchange -qq -an ${GROUP}`)
    await lvm.begin()
    await lvm.takeCommands()
    expect([...(await scan('leaf')).keys()]).toEqual(['leaf', 'base'])
    expect(await lvm.takeCommands()).toEqual(['lvm'])
    expect(await vhdUtil(`scan -f -m VHD-leaf -l ${GROUP} -a`)).toBe(
      `vhd=VHD-leaf capacity=${8 * MIB} size=${16 * MIB} hidden=0 parent=VHD-base\n` +
        `vhd=VHD-base capacity=${8 * MIB} size=${16 * MIB} hidden=1 parent=none\n`,
    )
    expect((await guest.run(`lvs --noheadings -o lv_active ${GROUP}`)).trim()).toBe('')
  })

  test('are children of raw volumes', async () => {
    await lvm.ok('group', 'create', 'LV-base', 8 * MIB)
    await guest.run(`yes raw | dd of=${volume('LV-base')} bs=1M count=8 iflag=fullblock 2>/dev/null`)
    await lvm.ok('group', 'create', 'VHD-leaf', 8 * MIB)
    await vhd('snapshot', volume('VHD-leaf'), volume('LV-base'), { maxSize: ROOM, parentRaw: true })
    expect((await scan()).get('leaf')).toMatchObject({ virtualSize: 8 * MIB, parent: { type: 'aio', uuid: 'base' } })
    const raw = await guest.run(`sha256sum < ${volume('LV-base')} | cut -d' ' -f1`)
    expect(await lvm.ok('lvhd', 'sha256', volume('VHD-leaf'))).toBe(raw.trim())
  })

  test('never reach a volume of another group', async () => {
    await guest.run(`
      vgcreate -qq VG_other $(loop_disk 60M)
      lvcreate -qq -y -W n -L 8M -n VHD-base VG_other`)
    await vhdUtil(`create -n /dev/VG_other/VHD-base -s 8 -S 2097152`)
    await lvm.ok('group', 'create', 'VHD-leaf', 8 * MIB)
    await vhdUtil(`snapshot -n ${volume('VHD-leaf')} -p /dev/VG_other/VHD-base -S 2097152`)
    expect(await lvm.error('vhd', 'parent', volume('VHD-leaf'))).toMatchObject({ code: 'EACCES' })
    expect(await lvm.error('lvhd', 'sha256', volume('VHD-leaf'))).toMatchObject({ code: 'EACCES' })
    expect(await lvm.error('vhd', 'hidden', '/dev/VG_other/VHD-none')).toMatchObject({ code: 'ENOENT' })
  })

  describe('that are resized on their volume', () => {
    const content = () => lvm.ok('lvhd', 'sha256', volume('VHD-leaf'))
    const sizes = async () => {
      const { volumes } = (await lvm.ok('group', 'report')) as GroupReport
      return [...volumes.values()].map(({ name, size }) => `${name} ${size / MIB}`)
    }

    test('keep their content, wherever growing is cut off, and can be grown again', async () => {
      await makeChain()
      await vhd('setPhysicalSize', volume('VHD-leaf'), 12 * MIB)
      await lvm.ok('group', 'resize', 'VHD-leaf', 12 * MIB)
      // What lies behind looks like a footer, as what another disk has left might.
      await guest.run(`lvresize -qq -L 20M ${volume('VHD-leaf')}
        head -c 512 ${volume('VHD-base')} | dd of=${volume('VHD-leaf')} bs=512 seek=40959 conv=fsync 2>/dev/null
        lvresize -qq -f -L 12M ${volume('VHD-leaf')} 2>/dev/null`)
      const before = await content()
      let killed = 0
      for (let killBefore = 1; ; killBefore += 1) {
        await lvm.begin(killBefore)
        const { error } = await lvm.outcome('lvhd', 'inflate', 'leaf', 20 * MIB)
        await lvm.begin()
        if (error === undefined) break
        killed += 1
        expect(error.message).toContain('EKILLED')
        expect(await content()).toBe(before)
        const journals = (await lvm.ok('journals', 'ofType', 'inflate')) as Map<string, VolumeJournal>
        if (journals.has('leaf')) await lvm.ok('lvhd', 'undoInflate', 'leaf')
        expect(await sizes()).toEqual(['VHD-base 16', 'VHD-leaf 12'])
        await vhd('check', volume('VHD-leaf'))
        expect(await content()).toBe(before)
      }
      expect(killed).toBeGreaterThanOrEqual(7)
      expect(await sizes()).toEqual(['VHD-base 16', 'VHD-leaf 20'])
      await vhd('check', volume('VHD-leaf'))
      expect(await content()).toBe(before)
    })

    test('keep their content, wherever cutting is cut off', async () => {
      await makeChain()
      const before = await content()
      const least = (await vhd('physicalSize', volume('VHD-leaf'))) as number
      expect(await lvm.error('lvhd', 'deflate', 'VHD-leaf', 4 * MIB)).toMatchObject({ code: 'EINVAL' })
      for (let killBefore = 1; ; killBefore += 1) {
        await lvm.begin(killBefore)
        const { error } = await lvm.outcome('lvhd', 'deflate', 'VHD-leaf', least)
        await lvm.begin()
        await vhd('check', volume('VHD-leaf'))
        expect(await content()).toBe(before)
        if (error === undefined) break
        expect(error.message).toContain('EKILLED')
        expect(await sizes()).toEqual(['VHD-base 16', 'VHD-leaf 16'])
      }
      expect(await sizes()).toEqual(['VHD-base 16', 'VHD-leaf 8'])
    })

    test('stay as they are where there is no room', async () => {
      await makeChain()
      expect(await lvm.error('lvhd', 'inflate', 'leaf', 900 * MIB)).toMatchObject({ reason: 'noSpace' })
      await lvm.begin()
      await lvm.ok('lvhd', 'undoInflate', 'leaf')
      expect(await sizes()).toEqual(['VHD-base 16', 'VHD-leaf 16'])
      await vhd('check', volume('VHD-leaf'))
    })
  })
})

interface Expected {
  readonly sr_uuid: string
  readonly logical_volumes: Readonly<
    Record<string, { size: number; tags: string; writable: boolean; hidden: 0 | 1 | null }>
  >
  readonly mgt_sectors: readonly string[]
  readonly vdis: Readonly<
    Record<string, { guest_sha256: string; sm_config: Readonly<Record<string, string>>; name_label: string }>
  >
}

describeLab("the reference's volume groups", () => {
  beforeAll(async () => {
    guest = await sharedGuest()
    await guest.run('lvm_setup')
  })
  afterEach(cleanUp)

  async function open(name: string): Promise<{ lvm: Volumes; expected: Expected }> {
    await guest.run(`
      gunzip -c /project/test/fixtures/sr-images/${name}.img.gz | dd of=/tmp/${name}.img bs=1M iflag=fullblock conv=sparse 2>/dev/null
      truncate -s 320M /tmp/${name}.img
      modules loop
      losetup --find --show /tmp/${name}.img`)
    const expected = JSON.parse(fs.readFileSync(path.join(IMAGES, `${name}.expected.json`), 'utf8')) as Expected
    return { lvm: await Volumes.start(guest, expected.sr_uuid), expected }
  }

  test.each(['lvm-public', 'lvm-crash-public'])('%s: volumes, VHDs and metadata are read as recorded', async name => {
    const { lvm, expected } = await open(name)
    const { volumes } = (await lvm.ok('group', 'report')) as GroupReport
    expect([...volumes.keys()]).toEqual(Object.keys(expected.logical_volumes).sort())
    for (const [volumeName, { size, tags, writable }] of Object.entries(expected.logical_volumes)) {
      expect(volumes.get(volumeName), volumeName).toMatchObject({
        size,
        writable,
        tags: tags === '' ? [] : [tags],
        active: false,
      })
    }
    const rows = (await lvm.ok('lvhd', 'scan')) as Map<string, ScannedVhd>
    for (const row of rows.values()) {
      expect(Number(row.hidden), row.volume).toBe(expected.logical_volumes[row.volume]?.hidden)
    }
    const { vdis, sr, broken } = (await lvm.ok('metadata', 'read')) as Metadata
    expect(broken).toEqual([])
    expect(sr).toEqual({ uuid: expected.sr_uuid, allocation: 'thick', nameLabel: 'local lvm', nameDescription: '' })
    const labels = expected.mgt_sectors.flatMap(text => /<vdi><name_label>(.*?)</.exec(text)?.[1] ?? [])
    expect([...vdis.values()].map(({ nameLabel }) => nameLabel)).toEqual(labels)
    expect(await lvm.takeCommands()).toEqual(['lvm'])
    await lvm.close()
  })

  test('every disk has the recorded content and parent', async () => {
    const { lvm, expected } = await open('lvm-public')
    const rows = (await lvm.ok('lvhd', 'scan')) as Map<string, ScannedVhd>
    const all = [...((await lvm.ok('group', 'report')) as GroupReport).volumes.keys()]
    await lvm.ok('group', 'activate', all)
    for (const [uuid, vdi] of Object.entries(expected.vdis)) {
      const row = rows.get(uuid)
      expect(row?.parent?.uuid, uuid).toBe(vdi.sm_config['vhd-parent'])
      const file = `/dev/VG_XenStorage-${expected.sr_uuid}/`
      const sha256 =
        row === undefined
          ? (await guest.run(`sha256sum < ${file}LV-${uuid} | cut -d' ' -f1`)).trim()
          : await lvm.ok('lvhd', 'sha256', `${file}${row.volume}`)
      expect(sha256, uuid).toBe(vdi.guest_sha256)
    }
    await lvm.close()
  })

  test('the journal of an interrupted snapshot is read from its inactive volume', async () => {
    const { lvm } = await open('lvm-crash-public')
    const journals = (await lvm.ok('journals', 'ofType', 'clone')) as Map<string, VolumeJournal>
    const [[id, journal] = []] = journals
    expect(journal?.value).toMatch(/^[0-9a-f-]{36}_[0-9a-f-]{36}$/)
    expect(await lvm.ok('journals', 'has', id)).toBe(true)
    await lvm.ok('journals', 'removeTorn')
    expect(await lvm.takeCommands()).toEqual(['lvm'])
    await lvm.close()
  })
})
