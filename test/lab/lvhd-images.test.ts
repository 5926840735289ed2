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
  readonly logical_volumes: Readonly<
    Record<string, { readonly size: number; readonly tags: string; readonly writable: boolean }>
  >
  readonly vdis: Readonly<Record<string, { readonly guest_sha256: string } & Partial<ExpectedRecord>>>
}

interface ExpectedRecord {
  readonly name_label: string
  readonly virtual_size: string
  readonly physical_utilisation: string
  readonly sm_config: Readonly<Record<string, string>>
  readonly is_a_snapshot: boolean
  readonly managed: boolean
  readonly read_only: boolean
}

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
    world = await createRemoteWorld(guest, { type: 'lvhd', deviceConfig: { device }, srUuid: expected.sr_uuid })
  })
  afterEach(async () => {
    await world.close()
    await guest.run(`dmsetup remove_all --force; rm -rf /dev/VG_XenStorage-*; drop_loop ${device}`)
  })

  const volumes = async (): Promise<string[]> => {
    const fields = 'lv_name,lv_size,lv_tags,lv_attr'
    const report = `lvs --noheadings --nosuffix --units b --separator '|' -o ${fields} VG_XenStorage-${expected.sr_uuid}`
    return (await guest.run(report))
      .trim()
      .split('\n')
      .map(line => line.trim().replace(/\|.([rw])[^|]*$/, '|$1'))
      .sort()
  }

  test('reads as guests know it, and can be worked with', async () => {
    const records = [...(await world.records()).values()]
    expect(records.map(record => record.uuid)).toEqual(expect.arrayContaining(Object.keys(expected.vdis)))
    for (const [uuid, vdi] of Object.entries(expected.vdis)) {
      expect((await world.content(uuid)).sha256, uuid).toBe(vdi.guest_sha256)
    }
    expect((await volumes()).join()).not.toMatch(/clone_|inflate_|tmp_/)
    if (name === 'lvm-public') await expectAsRecorded()
    await expectReverts()
  })

  /** Nothing was changed by attaching it, and the database knows of each disk what the reference's did. */
  async function expectAsRecorded(): Promise<void> {
    const recorded = Object.entries(expected.logical_volumes).map(
      ([volume, { size, tags, writable }]) => `${volume}|${size}|${tags}|${writable ? 'w' : 'r'}`,
    )
    expect(await volumes()).toEqual(recorded.sort())
    const records = new Map([...(await world.records()).values()].map(record => [record.uuid, record]))
    for (const [
      uuid,
      { name_label, virtual_size, physical_utilisation, sm_config, is_a_snapshot, managed, read_only },
    ] of Object.entries(expected.vdis)) {
      const stored = Object.fromEntries(Object.entries(sm_config ?? {}).filter(([key]) => key !== 'type'))
      expect(records.get(uuid), uuid).toMatchObject({
        name_label,
        virtual_size: Number(virtual_size),
        physical_utilisation: Number(physical_utilisation),
        sm_config: stored,
        is_a_snapshot,
        managed,
        read_only,
      })
    }
  }

  /** Each snapshot in turn becomes the content of its disk; snapshots and bystanders keep theirs. */
  async function expectReverts(): Promise<void> {
    const records = await world.records()
    const snapshots = [...records].filter(([, record]) => record.is_a_snapshot && records.has(record.snapshot_of))
    expect(snapshots.length).toBeGreaterThan(name === 'lvm-public' ? 1 : -1)
    for (const [ref, { uuid, snapshot_of: origin }] of snapshots) {
      const [disk, wanted] = [records.get(origin)?.uuid ?? '', await world.content(uuid)]
      await world.revert({ ref, uuid } satisfies Disk)
      expect(await world.content(disk)).toEqual(wanted)
      expect(await world.content(uuid)).toEqual(wanted)
    }
    await world.scan()
  }
})
