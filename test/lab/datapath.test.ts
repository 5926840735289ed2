import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectConsistent } from '../crash/harness.ts'
import type { Disk } from '../support/World.ts'
import type { Guest } from './Guest.ts'
import { describeLab, sharedGuest } from './lab.ts'
import { openImages, Operator, serverOf, SETUP } from './Operator.ts'
import { createRemoteWorld, type AnyWorld } from './RemoteWorld.ts'

const FAMILIES = [
  {
    type: 'ext',
    size: '400M',
    remove: 'vgs --noheadings -o vg_name | xargs -r vgremove -qq -f',
    check: (world: AnyWorld, disk: Disk) => `/project/bin/vhd-util check -p -n ${world.directory}/${disk.uuid}.vhd`,
  },
  {
    type: 'lvhd',
    size: '1G',
    remove: 'dmsetup remove_all --force; rm -rf /dev/VG_XenStorage-*',
    check: (world: AnyWorld, disk: Disk) => {
      const group = `VG_XenStorage-${world.srUuid}`
      return `vgchange -qq -ay ${group}; /project/bin/vhd-util check -p -n /dev/${group}/VHD-${disk.uuid}; vgchange -qq -an ${group}`
    },
  },
] as const

describeLab.each(FAMILIES)('a disk of SR type $type that the kernel has open', ({ type, size, remove, check }) => {
  let guest: Guest
  let device: string
  let world: AnyWorld
  let operator: Operator
  beforeAll(async () => {
    guest = await sharedGuest()
    device = (await guest.run(`${SETUP}; loop_disk ${size}`)).trim()
    world = await createRemoteWorld(guest, { type, deviceConfig: { device }, hostPluginDir: 'bin' })
    operator = new Operator(guest, world)
  })
  afterAll(async () => {
    await world.close()
    await guest.run(`${remove} 2>/dev/null; drop_loop ${device}`)
  })

  test('goes back, with a file system on it, to what was in it at its snapshot', async () => {
    const disk = await world.createVdi('disk', 64)
    const mounted = await operator.attach(disk)
    await guest.run(`
      mkfs.ext4 -q ${mounted}; mkdir -p /mnt/disk; mount ${mounted} /mnt/disk; cd /mnt/disk
      for n in 1 2 3 4; do dd if=/dev/urandom of=kept-$n bs=256k count=4 status=none; done
      sha256sum kept-* > checksums; sync`)
    await guest.run(`rm -f /tmp/stop /tmp/written; ${WRITER}`)
    await writes(5)
    const snapshot = await world.snapshot(disk)
    await writes(5)
    await guest.run(`
      touch /tmp/stop; within 60 test -e /tmp/writer-ended; [ "$(cat /tmp/writer-ended)" = 0 ]
      cd /mnt/disk; sha256sum --quiet -c checksums
      rm kept-1; echo changed > kept-2; dd if=/dev/urandom of=later bs=1M count=4 status=none
      cd /; umount /mnt/disk`)
    await operator.detach(disk, mounted)
    await guest.run(check(world, disk))
    await world.revert(snapshot)
    const again = await operator.attach(disk)
    await guest.run(`
      mount ${again} /mnt/disk; cd /mnt/disk
      sha256sum --quiet -c checksums; [ ! -e later ]
      cd /; umount /mnt/disk; e2fsck -f -n ${again} >&2`)
    await operator.detach(disk, again)
    await guest.run(check(world, disk))
    await world.scan()
    await expectConsistent(world, 'after the revert')
  })

  test('is reverted to a snapshot under whoever reads that', async () => {
    const disk = await world.createVdi('read', 16)
    await world.write(disk, 1, 0, 6)
    const snapshot = await world.snapshot(disk)
    await world.write(disk, 2, 2, 8)
    // A snapshot with data of its own is split: its image moves under its reader.
    await world.write(snapshot, 3, 5, 3)
    const { sha256 } = await world.content(snapshot.uuid)
    const reading = await operator.attach(snapshot, '--read-only')
    const { pid } = await serverOf(guest, world, snapshot)
    const before = await openImages(guest, pid)
    await guest.run(`rm -f /tmp/stop /tmp/read /tmp/reader-ended; ${reader(reading)}`)
    await reads(2)
    await world.revert(snapshot)
    await reads(2)
    await guest.run('touch /tmp/stop; within 60 test -e /tmp/reader-ended; [ "$(cat /tmp/reader-ended)" = 0 ]')
    const seen = (await guest.run('cat /tmp/read')).trim().split('\n')
    expect(new Set(seen)).toEqual(new Set([sha256]))
    expect((await serverOf(guest, world, snapshot)).pid).toBe(pid)
    expect(await openImages(guest, pid)).toBe(before + 1)
    await operator.detach(snapshot, reading)
    expect(await world.content(disk.uuid)).toEqual(await world.content(snapshot.uuid))
    await world.scan()
    await expectConsistent(world, 'after the revert')
  })

  test('is not reverted while it is open, and nothing changes', async () => {
    const disk = await world.createVdi('open', 16)
    const snapshot = await world.snapshot(disk)
    const device = await operator.attach(disk)
    const before = [await world.names(), [...(await world.records())]]
    expect((await world.failure('VDI.revert', snapshot.ref))[0]).toBe('VDI_IN_USE')
    expect((await world.fault('vdi_revert', snapshot, { args: [disk.ref] })).code).toBe(24)
    expect([await world.names(), [...(await world.records())]]).toEqual(before)
    await guest.run(`dd if=/dev/zero of=${device} bs=4k count=1 oflag=direct conv=fsync status=none`)
    // Its server dies with nobody to tell: the key that is left proves nothing any more.
    const { pid } = await serverOf(guest, world, disk)
    await guest.run(`kill -KILL ${pid}; within 20 sh -c '! test -d /proc/${pid}'; nbd-client -d ${device}`)
    await world.revert(snapshot)
    expect(Object.keys((await world.record(disk)).sm_config).filter(key => key.startsWith('host_'))).toEqual([])
    for (const command of ['vdi_activate', 'vdi_deactivate']) {
      expect(await world.plugin(command, disk, { args: ['true'] })).not.toContain('<fault>')
    }
  })

  /** Waits until the writer has made `count` more files. */
  const writes = (count: number) => progress('/tmp/written', count)
  /** Waits until the reader has read the disk `count` more times. */
  const reads = (count: number) => progress('/tmp/read', count)

  async function progress(file: string, count: number): Promise<void> {
    await guest.run(`
      touch ${file}; wanted=$(($(wc -l < ${file}) + ${count}))
      within 100 sh -c "[ \\$(wc -l < ${file}) -ge $wanted ]"`)
  }
})

/** Writes files one after the other, each durable, until it is told to stop; says whether all went well. */
const WRITER = `
(
  set +e; failed=0; n=0
  while [ ! -e /tmp/stop ] && [ $failed = 0 ]; do
    dd if=/dev/urandom of=/mnt/disk/live-$((n % 10)) bs=64k count=8 conv=fsync status=none || failed=1
    n=$((n + 1)); echo $n >> /tmp/written
  done
  echo $failed > /tmp/writer-ended
) &`

/** Reads a device again and again, past the cache, until it is told to stop. */
function reader(device: string): string {
  return `
(
  set +e; failed=0
  while [ ! -e /tmp/stop ] && [ $failed = 0 ]; do
    dd if=${device} bs=1M iflag=direct status=none > /tmp/read-now || failed=1
    sha256sum < /tmp/read-now | cut -c 1-64 >> /tmp/read
  done
  rm /tmp/read-now; echo $failed > /tmp/reader-ended
) &`
}
