import type { Command } from 'commander'
import { JSON_FLAG, connected, labelArgument, makeCommand } from '../command.ts'
import { copyVdi, type CopyOptions } from '../disk/copyVdi.ts'

export function vdiCloneCommand(): Command {
  return makeCommand('vdi-clone', {
    summary: 'make a writable copy of a disk or a snapshot',
    description: 'The copy shares what it has in common with the original. Prints the uuid.',
    examples: [['sm vdi-clone before-upgrade trial', 'try something without touching the disk']],
  })
    .argument('<vdi>', 'disk or snapshot: name, uuid or beginning of the uuid')
    .argument('[name]', 'name label of the copy (or --name-label)', labelArgument)
    .option('--name-label <name>', 'name label of the copy', labelArgument)
    .option(...JSON_FLAG)
    .action((vdi: string, name: string | undefined, options: CopyOptions) =>
      connected(connection => copyVdi(connection, { method: 'VDI.clone', vdi, wanted: 'any', name, options })),
    )
}
