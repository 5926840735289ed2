import type { Command } from 'commander'
import { connected, makeCommand } from '../command.ts'

export function vdiDetachCommand(): Command {
  return makeCommand('vdi-detach', {
    summary: 'close a disk that vdi-attach opened',
    description: 'Makes everything durable, then ends what serves the disk. Unmount its file systems first.',
    examples: [
      ['sm vdi-detach disk-A', 'refused while a client is connected'],
      ['sm vdi-detach disk-A --device /dev/nbd0', 'disconnects the kernel first'],
    ],
  })
    .argument('<vdi>', 'disk or snapshot: name, uuid or beginning of the uuid')
    .option('--device <path>', 'the device that vdi-attach --device printed')
    .option('--force', 'also where clients are connected')
    .action((vdi: string, options: { device?: string; force?: true }) =>
      connected(async connection => {
        const { detach } = await import('../attach/attach.ts')
        await detach(connection, vdi, options)
      }),
    )
}
