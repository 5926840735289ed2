import type { Command } from 'commander'
import { connected, JSON_FLAG, makeCommand } from '../command.ts'

export function vdiAttachCommand(): Command {
  return makeCommand('vdi-attach', {
    summary: 'open a disk for programs of this machine',
    description:
      'Attaches and activates the disk, and prints its NBD URI for qemu-img, nbdcopy, nbdinfo, fio and the like. It stays ' +
      'open until sm vdi-detach. A disk that is open is not reverted; snapshots can be made meanwhile.',
    examples: [
      ['sm vdi-attach disk-A', 'nbd+unix:///UUID?socket=PATH'],
      ['nbdinfo "$(sm vdi-attach --read-only before-upgrade)"', 'look at a snapshot'],
      [
        'sm vdi-attach --device disk-A',
        'as a block device, /dev/nbdN; needs root, nbd-client and the kernel module nbd',
      ],
    ],
  })
    .argument('<vdi>', 'disk or snapshot: name, uuid or beginning of the uuid')
    .option('--read-only', 'refuse writes')
    .option('--device', 'connect the kernel to it, and print the device')
    .option(...JSON_FLAG)
    .action((vdi: string, options: { readOnly?: true; device?: true; json?: true }) =>
      connected(async connection => {
        const { attach } = await import('../attach/attach.ts')
        await attach(connection, vdi, options)
      }),
    )
}
