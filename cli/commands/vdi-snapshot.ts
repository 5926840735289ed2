import type { Command } from 'commander'
import { JSON_FLAG, connected, labelArgument, makeCommand } from '../command.ts'
import { copyVdi, type CopyOptions } from '../disk/copyVdi.ts'

export function vdiSnapshotCommand(): Command {
  return makeCommand('vdi-snapshot', {
    summary: 'take a snapshot of a disk',
    description: 'Takes next to no room and time. Without a name it bears the name of the disk. Prints the uuid.',
    examples: [
      ['sm vdi-snapshot disk-A', 'before something risky'],
      ['sm vdi-snapshot disk-A before-upgrade', 'with a name, to go back with: sm vdi-revert before-upgrade'],
    ],
  })
    .argument('<vdi>', 'disk: name, uuid or beginning of the uuid')
    .argument('[name]', 'name label of the snapshot (or --name-label)', labelArgument)
    .option('--name-label <name>', 'name label of the snapshot', labelArgument)
    .option(...JSON_FLAG)
    .action((vdi: string, name: string | undefined, options: CopyOptions) =>
      connected(connection => copyVdi(connection, { method: 'VDI.snapshot', vdi, wanted: 'disk', name, options })),
    )
}
