import type { Command } from 'commander'
import { makeCommand } from '../command.ts'
import type { ExportOptions } from '../disk/exportVdi.ts'

export function vdiExportCommand(): Command {
  return makeCommand('vdi-export', {
    summary: 'copy a disk or snapshot to a raw image',
    description:
      'A file gets holes where the disk has zeroes, and appears under its name only when it is whole. ' +
      'The disk must not be in use. Other operations on the storage repository wait meanwhile.',
    examples: [
      ['sm vdi-export disk-A image.raw', 'to a file'],
      ['sm vdi-export before-upgrade | zstd > image.raw.zst', 'to standard output'],
    ],
  })
    .argument('<vdi>', 'disk or snapshot: name, uuid or beginning of the uuid')
    .argument('[file]', 'file to make; `-` or nothing for standard output')
    .option('--force', 'replace an existing file')
    .option('--progress', 'show progress even where standard error is no terminal')
    .action(async (vdi: string, file: string | undefined, options: ExportOptions) => {
      const { exportVdi } = await import('../disk/exportVdi.ts')
      await exportVdi(vdi, file, options)
    })
}
