import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Disk } from '../support/World.ts'
import type { Guest } from './Guest.ts'
import { describeLab, sharedGuest } from './lab.ts'
import { Operator, serverOf, SETUP } from './Operator.ts'
import { createRemoteWorld, type AnyWorld } from './RemoteWorld.ts'

describeLab('a logical volume that our server has open', () => {
  let guest: Guest
  let device: string
  let world: AnyWorld
  let operator: Operator
  beforeAll(async () => {
    guest = await sharedGuest()
    device = (await guest.run(`${SETUP}; loop_disk 600M`)).trim()
    world = await createRemoteWorld(guest, { type: 'lvhd', deviceConfig: { device }, hostPluginDir: 'bin' })
    operator = new Operator(guest, world)
  })
  afterAll(async () => {
    await world.close()
    await guest.run(`dmsetup remove_all --force; rm -rf /dev/VG_XenStorage-*; drop_loop ${device}`)
  })

  const volume = (kind: 'LV' | 'VHD', disk: Disk) => `/dev/VG_XenStorage-${world.srUuid}/${kind}-${disk.uuid}`

  /** As the master of the pool does. */
  async function tell(action: 'pause' | 'unpause' | 'refresh', disk: Disk, more: Record<string, string> = {}) {
    const args = { sr_uuid: world.srUuid, vdi_uuid: disk.uuid, failfast: 'False', ...more }
    expect(await world.call('host.call_plugin', await world.host(), 'tapdisk-pause', action, args)).toBe('True')
  }

  test('keeps what was flushed when the server is killed under load', async () => {
    const disk = await world.createVdi('disk', 64)
    const first = await operator.attach(disk)
    await guest.run(`
      dd if=/dev/urandom of=/tmp/flushed bs=1M count=8 status=none
      dd if=/tmp/flushed of=${first} bs=1M oflag=direct conv=fsync status=none
      rm -f /tmp/load-ended
      (
        set +e; n=0
        while dd if=/dev/urandom of=${first} bs=64k count=1 seek=$((256 + n * 7 % 700)) oflag=direct status=none 2>/dev/null
        do n=$((n + 1)); echo $n > /tmp/load; done
        touch /tmp/load-ended
      ) &
      within 60 test -s /tmp/load; within 60 sh -c '[ $(cat /tmp/load) -ge 20 ]'`)
    const { pid } = await serverOf(guest, world, disk)
    // Without being told, the kernel waits up to 90 s for the answer to what was under way.
    await guest.run(`kill -KILL ${pid}; nbd-client -d ${first} >/dev/null; within 60 test -e /tmp/load-ended`)
    await guest.run(`/project/bin/vhd-util check -n ${volume('VHD', disk)}`)
    await operator.sm('vdi-detach', disk.uuid)
    const again = await operator.attach(disk)
    await guest.run(`dd if=${again} bs=1M count=8 iflag=direct status=none | cmp - /tmp/flushed`)
    await operator.detach(disk, again)
  })

  test('is read and written as it is where it holds a raw disk', async () => {
    const disk = await world.createVdi('raw', 16, { type: 'raw' })
    const nbd = await operator.attach(disk)
    await guest.run(`
      dd if=/dev/urandom of=/tmp/raw bs=1M count=16 status=none
      dd if=/tmp/raw of=${nbd} bs=1M oflag=direct conv=fsync status=none
      dd if=${nbd} bs=1M iflag=direct status=none | cmp - /tmp/raw`)
    await operator.detach(disk, nbd)
    await guest.run(`
      lvchange -ay ${volume('LV', disk)}; cmp /tmp/raw ${volume('LV', disk)}; lvchange -an ${volume('LV', disk)}`)
  })

  test('shows what another host wrote, once it is refreshed, though somebody here has it in the cache', async () => {
    const disk = await world.createVdi('shared', 4, { type: 'raw' })
    const nbd = await operator.attach(disk)
    await guest.run(`
      dd if=/dev/urandom of=/tmp/other bs=1M count=4 status=none
      sh -c 'exec 3<${volume('LV', disk)}; cat <&3 >/dev/null; touch /tmp/cached; exec sleep 300' & echo $! > /tmp/bystander
      within 20 test -e /tmp/cached
      start=$(dmsetup table ${volume('LV', disk)} | cut -d ' ' -f 5)
      dd if=/tmp/other of=${device} bs=1M seek=$((start * 512)) oflag=direct,seek_bytes conv=notrunc status=none`)
    await tell('refresh', disk)
    await guest.run(`
      dd if=${nbd} bs=1M iflag=direct status=none | cmp - /tmp/other
      kill $(cat /tmp/bystander)`)
    await operator.detach(disk, nbd)
  })

  test('has its parents activated, and let go of with it, where another host made them while it was paused', async () => {
    const disk = await world.createVdi('grown', 8)
    await world.write(disk, 1, 0, 2)
    await world.snapshot(disk)
    const base = { ref: '', uuid: (await world.record(disk)).sm_config['vhd-parent'] ?? '' }
    const isActive = async () =>
      (await guest.run(`lvs --noheadings -o lv_active ${volume('VHD', base)}`)).trim() === 'active'
    const nbd = await operator.attach(disk)
    await tell('pause', disk)
    // As on a host that did not have it before.
    await guest.run(
      `lvchange -an ${volume('VHD', base)}; rm ${world.root}/sm/run/sm/refcount/lvm-${world.srUuid}/${base.uuid}`,
    )
    await tell('unpause', disk, { activate_parents: 'true' })
    expect(await isActive()).toBe(true)
    await guest.run(`
      head -c 2M /dev/zero | tr '\\0' '\\1' > /tmp/ones
      dd if=${nbd} bs=1M count=2 iflag=direct status=none | cmp - /tmp/ones`)
    await operator.detach(disk, nbd)
    expect(await isActive()).toBe(false)
  })
})
