import { test } from 'vitest'
import type { Guest } from './Guest.ts'
import type { PlayedLine, TranscriptOptions } from './agent/TranscriptPlayer.ts'
import { describeLab, sharedGuest } from './lab.ts'

const TIMEOUT_MS = 900_000

const nfs = (nfsversion: string) => async (guest: Guest) => {
  // As the recordings had it: the root of what NFS 4 exports has another path for NFS 3, and some of it is used.
  await guest.run(`
    if mountpoint -q /srv/nfs; then exit; fi
    nfs_server 128M
    exportfs -ua
    kill $(pidof rpc.mountd)
    while pidof rpc.mountd >/dev/null; do sleep 0.05; done
    : >/etc/nfs.conf
    options=rw,no_root_squash,no_subtree_check,insecure,sync
    echo "/srv/nfs/export *($options)" >/etc/exports
    echo "/srv/nfs *($options,fsid=0)" >>/etc/exports
    exportfs -ra
    rpc.mountd
    dd if=/dev/zero of=/srv/nfs/used bs=1M count=8 2>/dev/null`)
  return {
    plugin: 'NFSSR',
    type: 'nfs',
    deviceConfig: { server: '127.0.0.1', nfsversion },
    places: [
      ['{EXPORT}', '/srv/nfs/export'],
      ['{FS}', '/srv/nfs'],
    ],
  } as const
}

const ext = async (guest: Guest) => {
  const device = (await guest.run('lvm_setup; loop_disk 600M')).trim()
  return { plugin: 'EXTSR', type: 'ext', deviceConfig: { device }, places: [['{LOOP0}', device]] } as const
}

const lvm = (allocation?: string) => async (guest: Guest) => {
  const device = (await guest.run(`lvm_setup; loop_disk 20G`)).trim()
  const rootDisk = '/dev/the-hosts-own'
  return {
    plugin: 'LVHDSR',
    type: 'lvm',
    label: 'local lvm',
    deviceConfig: { device, ...(allocation === undefined ? {} : { allocation }) },
    rootDisk,
    places: [
      ['{LOOP0}', device],
      ['{ROOTDISK}', rootDisk],
    ],
  } as const
}

const HBA_ID = '36001405bbbb000100004000800000000'
const IQN = 'iqn.2026-01.org.example:t'

// The PBD of an SR on a LUN names it as soon as there is one, and none of the others is offered then: here it never does.
const hba = async (guest: Guest) => {
  await guest.run(`
    udev_scsi_only
    lvm_setup '^/dev/sd'
    target_start
    target_disk 2 20G bbbb0001-0000-4000-8000-0000000000c3`)
  return {
    plugin: 'LVHDoHBASR',
    type: 'lvmohba',
    label: 'hba',
    deviceConfig: {},
    rootDisk: '/dev/the-hosts-own',
    places: [],
  } as const
}

const iscsi = async (guest: Guest) => {
  await guest.run(`
    pidof systemd-udevd >/dev/null || udev_scsi_only
    lvm_setup '^/dev/sd'
    target_start
    target_disk 0 20G aaaa0001-0000-4000-8000-0000000000a1
    target_disk 1 10G aaaa0002-0000-4000-8000-0000000000b2
    iscsi_target ${IQN}1 127.0.0.1:3260 '0 1'
    iscsi_target ${IQN}2 127.0.0.1:3260 ''
    iscsi_host`)
  return {
    plugin: 'LVHDoISCSISR',
    type: 'lvmoiscsi',
    label: 'iscsi',
    deviceConfig: {},
    places: [],
  } as const
}

/** What happened to the host behind a step (scenario and number). */
const afterwards: Readonly<Record<string, string>> = {
  'hba-basic 2': `scsi_host 5000000000000001 2; within 20 test -e /dev/disk/by-id/scsi-${HBA_ID}`,
}

describeLab('a driver does what the reference was recorded doing', () => {
  test.for([
    ['ext-basic', ext],
    ['nfs3-basic', nfs('3')],
    ['nfs4-basic', nfs('4')],
    ['lvm-thick-lifecycle', lvm()],
    ['lvm-thin', lvm('thin')],
    ['lvm-single', lvm()],
    ['lvm-errors', lvm()],
    ['lvm-crash', lvm()],
    ['lvm-inflate-crash', lvm()],
    ['hba-basic', hba],
    ['iscsi-basic', iscsi],
  ] as const)('%s', { timeout: TIMEOUT_MS }, async ([scenario, prepare], { expect }) => {
    const guest = await sharedGuest()
    const sr: TranscriptOptions['sr'] = await prepare(guest)
    const player = await guest.make('TranscriptPlayer', { scenario, sr } satisfies TranscriptOptions)
    try {
      for await (const { title, expected, ours, recorded, problems } of linesOf(player)) {
        expect.soft(ours, title).toEqual(expected)
        if (recorded !== undefined) expect.soft(ours, `${title}: no longer deviates`).not.toEqual(recorded)
        expect.soft(problems, title).toEqual([])
        const happened = afterwards[/^\S+ \d+/.exec(title)?.[0] ?? '']
        if (happened !== undefined) await guest.run(happened)
      }
    } finally {
      await player.ask('close')
    }
  })
})

async function* linesOf(player: { ask: (method: string) => Promise<unknown> }): AsyncGenerator<PlayedLine> {
  for (;;) {
    const line = (await player.ask('next')) as PlayedLine | undefined
    if (line === undefined) return
    yield line
  }
}
