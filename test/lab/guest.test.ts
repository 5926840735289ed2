import { existsSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { projectRoot } from '../support/World.ts'
import { Guest } from './Guest.ts'
import { describeLab, sharedGuest } from './lab.ts'
import { Switch } from './Switch.ts'

describeLab('a guest', () => {
  let guest: Guest
  beforeAll(async () => {
    guest = await sharedGuest()
  })

  test('writes anywhere without reaching the host', async () => {
    const name = `sm-lab-test-${process.pid}`
    await guest.run(`echo x > /etc/${name}; echo x > /project/${name}; rm /etc/passwd; echo x > /etc/hostname`)
    for (const directory of ['/etc', projectRoot]) expect(existsSync(path.join(directory, name))).toBe(false)
    expect(existsSync('/etc/passwd')).toBe(true)
    expect(await guest.run(`cat /etc/${name} /project/${name}; cat /etc/passwd 2>&1 || true`)).toMatch(/^x\nx\ncat: /)
  })

  test('says which command failed, and what it wrote', async () => {
    await expect(guest.run('echo before; ls /nowhere; echo after')).rejects.toThrow(
      /exit code 2[^]*before\n[^]*nowhere.*No such file/,
    )
    expect(await guest.attempt('exit 7')).toMatchObject({ exitCode: 7 })
  })

  test('stops a command that takes too long', async () => {
    await expect(guest.run('sleep 60', 500)).rejects.toThrow('stopped after 500 ms')
  })

  test('answers several questions at once', async () => {
    const slow = guest.run('while [ ! -e /tmp/go ]; do sleep 0.05; done; echo slow')
    expect(await guest.run('touch /tmp/go; echo quick')).toBe('quick\n')
    expect(await slow).toBe('slow\n')
    await guest.run('rm /tmp/go')
  })

  test('has volume groups on loop disks', async () => {
    const mounted = await guest.run(`
      lvm_setup
      disk=$(loop_disk 200M)
      vgcreate -qq VG_lab $disk
      lvcreate -qq -y -L 100M -n volume VG_lab
      mkfs.ext4 -q /dev/VG_lab/volume
      mkdir /tmp/mounted
      mount /dev/VG_lab/volume /tmp/mounted
      findmnt -n -o FSTYPE /tmp/mounted
      umount /tmp/mounted
      rmdir /tmp/mounted
      vgremove -qq -f VG_lab
      drop_loop $disk`)
    expect(mounted).toBe('ext4\n')
  })
})

describeLab('a guest of its own', () => {
  let scratch: string
  const guests: Guest[] = []
  beforeEach(async () => {
    scratch = await fs.mkdtemp(path.join(tmpdir(), 'sm-lab-test-'))
  })
  afterEach(async () => {
    for (const guest of guests.splice(0)) await guest.powerCut()
    await fs.rm(scratch, { recursive: true })
  })

  async function boot(options: Parameters<typeof Guest.boot>[0]): Promise<Guest> {
    const guest = await Guest.boot(options)
    guests.push(guest)
    return guest
  }

  test('keeps completed writes to its disks over a power cut, and loses its file system cache', async () => {
    const disk = path.join(scratch, 'disk')
    await fs.writeFile(disk, '')
    await fs.truncate(disk, 64 * 1024 * 1024)
    const first = await boot({ name: 'first', disks: [disk] })
    await first.run(`
      mkfs.ext4 -q /dev/ubdb
      mkdir /tmp/disk
      mount -o commit=300 /dev/ubdb /tmp/disk
      echo synced > /tmp/disk/synced
      sync
      echo lost > /tmp/disk/lost`)
    await first.powerCut()
    const second = await boot({ name: 'second', disks: [disk] })
    expect(await second.run('mkdir /tmp/disk; mount /dev/ubdb /tmp/disk; cat /tmp/disk/synced; ls /tmp/disk')).toBe(
      'synced\nlost+found\nsynced\n',
    )
  })

  test('sees another guest on the same switch, and a disk on it', async () => {
    const network = await Switch.start(scratch)
    try {
      const [server, client] = await Promise.all(
        [1, 2].map(place => boot({ name: `host${place}`, network: { socket: network.socket, place } })),
      )
      if (server === undefined || client === undefined) throw new Error('two guests were asked for')
      await server.run(`
        target_start
        target_disk 0 64M 11111111-2222-3333-4444-555555555555
        iscsi_target iqn.2026-01.org.example:disk 10.77.0.1:3260 0`)
      await client.run(`
        modules sd_mod sg
        udev_start
        iscsi_initiator iqn.2026-01.org.example:client
        iscsiadm -m discovery -t st -p 10.77.0.1:3260
        iscsiadm -m node -T iqn.2026-01.org.example:disk -l`)
      const link = '/dev/iscsi/iqn.2026-01.org.example:disk/10.77.0.1:3260/LUN0'
      expect(await client.run(`within 60 test -e ${link}; blockdev --getsize64 ${link}`)).toBe(`${64 * 1024 * 1024}\n`)
    } finally {
      await network.stop()
    }
  })

  test('has SCSI hosts whose disks multipath joins by their id', async () => {
    const guest = await boot({ name: 'scsi' })
    const id = '360014051111111122223333444455555'
    const seen = await guest.run(`
      modules sd_mod sg
      udev_start
      multipath_start
      target_start
      target_disk 0 64M 11111111-2222-3333-4444-555555555555
      scsi_host 5000000000000001 0
      scsi_host 5000000000000002 0
      for link in mapper sda sdb; do within 60 test -e /dev/disk/by-scsid/${id}/$link; done
      ls /dev/disk/by-scsid/${id}`)
    expect(seen).toBe('mapper\nsda\nsdb\n')
  })
})
