import * as fs from 'node:fs/promises'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { projectRoot, type Disk } from '../support/World.ts'
import type { Guest } from './Guest.ts'
import { describeLab, sharedGuest } from './lab.ts'
import { createRemoteWorld, type AnyWorld } from './RemoteWorld.ts'

/** What is known of a group that the reference made, see `test/fixtures/sr-images/README.md`. */
interface Expected {
  readonly sr_uuid: string
  readonly logical_volumes: Readonly<Record<string, ExpectedVolume>>
  readonly mgt_sectors: readonly string[]
  readonly vdis: Readonly<Record<string, ExpectedRecord>>
}

interface ExpectedVolume {
  readonly size: number
  readonly tags: string
  readonly writable: boolean
  /** Of a VHD. */
  readonly hidden: number | null
  /** Name in the device-mapper. */
  readonly parent: string | null
  readonly journal: string | null
}

interface ExpectedRecord {
  readonly guest_sha256: string
  readonly name_label: string
  readonly type: string
  readonly virtual_size: string
  readonly physical_utilisation?: string
  readonly sm_config: Readonly<Record<string, string>>
  readonly is_a_snapshot: boolean
  readonly snapshot_of?: string
  readonly managed: boolean
  readonly read_only: boolean
}

const SECTOR = 512
const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g
const IMAGES = 'test/fixtures/sr-images'

describeLab.each(['lvm-public', 'lvm-crash-public'])('a group made by the reference, %s', name => {
  let guest: Guest
  let expected: Expected
  let device: string
  let world: AnyWorld
  beforeEach(async () => {
    guest = await sharedGuest()
    expected = JSON.parse(
      await fs.readFile(path.join(projectRoot, IMAGES, `${name}.expected.json`), 'utf8'),
    ) as Expected
    device = (
      await guest.run(`
        lvm_setup; modules loop
        gunzip -c /project/${IMAGES}/${name}.img.gz | dd of=/tmp/reference-disk bs=1M conv=sparse iflag=fullblock status=none
        truncate -s 320M /tmp/reference-disk
        losetup --find --show /tmp/reference-disk`)
    ).trim()
    world = await createRemoteWorld(guest, {
      type: 'lvhd',
      deviceConfig: { device },
      srUuid: expected.sr_uuid,
      srName: /<name_label>(.*)<\/name_label>/.exec(expected.mgt_sectors[2] ?? '')?.[1] ?? '',
    })
  })
  afterEach(async () => {
    await world.close()
    await guest.run(`dmsetup remove_all --force; rm -rf /dev/VG_XenStorage-*; drop_loop ${device}`)
  })

  test('is as it was recorded, reads as guests know it, and can be worked with', async () => {
    await expectStorage()
    await expectRecords()
    for (const [uuid, vdi] of Object.entries(expected.vdis)) {
      expect((await world.content(uuid)).sha256, uuid).toBe(vdi.guest_sha256)
    }
    await expectReverts()
  })

  /** Volumes as LVM tells them. */
  const volumes = async (): Promise<Map<string, string>> => {
    const fields = 'lv_name,lv_size,lv_tags,lv_attr'
    const report = `lvs --noheadings --nosuffix --units b --separator '|' -o ${fields} VG_XenStorage-${expected.sr_uuid}`
    const lines = (await guest.run(report)).trim().split('\n')
    const rows = lines.map(line => line.trim().split('|'))
    return new Map(rows.map(([volume = '', size, tags, attr = '']) => [volume, `${size}|${tags}|${attr.charAt(1)}`]))
  }

  /** What an interrupted snapshot had made is gone again; all other volumes, and the metadata, are untouched. */
  async function expectStorage(): Promise<void> {
    const recorded = Object.entries(expected.logical_volumes)
    const undone = recorded.flatMap(([, { journal }]) => journal?.match(UUID) ?? [])
    const kept = recorded.filter(([volume, { journal }]) => journal === null && !undone.includes(volume.slice(-36)))
    const told = kept.map(
      ([volume, { size, tags, writable }]) => [volume, `${size}|${tags}|${writable ? 'w' : 'r'}`] as const,
    )
    expect(await volumes()).toEqual(new Map(told))
    const images = new Map((await world.images()).map(row => [`VHD-${row.name.slice(0, -'.vhd'.length)}`, row]))
    const vhds = kept.filter(([volume]) => volume.startsWith('VHD-'))
    expect([...images.keys()].sort()).toEqual(vhds.map(([volume]) => volume).sort())
    for (const [volume, { hidden, parent }] of vhds) {
      const image = images.get(volume)
      expect(image, volume).toMatchObject({ hidden: hidden === 1 })
      const isRestored = undone.some(uuid => parent?.replaceAll('--', '-').includes(uuid))
      if (isRestored || image === undefined || 'error' in image) continue
      expect(image.parentName?.slice(0, 36), volume).toBe(parent?.replaceAll('--', '-').match(UUID)?.[1])
    }
    const count = expected.mgt_sectors.length
    const read = `dd if=/dev/VG_XenStorage-${expected.sr_uuid}/MGT bs=${SECTOR} count=${count} status=none | base64 -w0`
    const metadata = Buffer.from(await guest.run(read), 'base64')
    const sectors = expected.mgt_sectors.map((_text, index) =>
      metadata.toString('utf8', index * SECTOR, (index + 1) * SECTOR).trimEnd(),
    )
    expect(sectors).toEqual(expected.mgt_sectors)
  }

  /** The database knows of exactly these disks, and what the reference's did. */
  async function expectRecords(): Promise<void> {
    const all = await world.records()
    const records = new Map([...all.values()].map(record => [record.uuid, record]))
    expect([...records.keys()].sort()).toEqual(Object.keys(expected.vdis).sort())
    for (const [uuid, vdi] of Object.entries(expected.vdis)) {
      // That a raw disk was asked for is known to the database alone.
      const stored = Object.fromEntries(Object.entries(vdi.sm_config).filter(([key]) => key !== 'type'))
      const { name_label, type, is_a_snapshot, managed, read_only, snapshot_of, physical_utilisation: used } = vdi
      expect(records.get(uuid), uuid).toMatchObject({
        ...{ name_label, type, is_a_snapshot, managed, read_only, sm_config: stored },
        virtual_size: Number(vdi.virtual_size),
        ...(used === undefined ? {} : { physical_utilisation: Number(used) }),
      })
      expect(Object.keys(records.get(uuid)?.sm_config ?? {}).sort()).toEqual(Object.keys(stored).sort())
      if (snapshot_of !== undefined) {
        expect(all.get(records.get(uuid)?.snapshot_of ?? '')?.uuid, uuid).toBe(snapshot_of)
      }
    }
  }

  /** Each snapshot in turn becomes the content of its disk; snapshots and bystanders keep theirs. */
  async function expectReverts(): Promise<void> {
    const records = await world.records()
    const snapshots = [...records].filter(([, record]) => record.is_a_snapshot && records.has(record.snapshot_of))
    expect(snapshots).toHaveLength(2)
    for (const [ref, { uuid, snapshot_of: origin }] of snapshots) {
      const [disk, wanted] = [records.get(origin)?.uuid ?? '', await world.content(uuid)]
      await world.revert({ ref, uuid } satisfies Disk)
      expect(await world.content(disk)).toEqual(wanted)
      expect(await world.content(uuid)).toEqual(wanted)
    }
    await world.scan()
  }
})
