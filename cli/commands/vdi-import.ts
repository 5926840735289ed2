import type { Command } from 'commander'
import { JSON_FLAG, makeCommand, sizeArgument } from '../command.ts'
import type { ImportOptions } from '../disk/importVdi.ts'

export function vdiImportCommand(): Command {
  return makeCommand('vdi-import', {
    summary: 'write a raw image to a disk',
    description:
      'The disk must not be in use. What it holds already is not written again; zeroes on a fresh disk take no room. ' +
      'A shorter image leaves the rest of the disk as it is. Other operations on the storage repository wait meanwhile.',
    examples: [
      ['sm vdi-import disk-A image.raw', 'from a file'],
      ['zcat image.raw.gz | sm vdi-import disk-A', 'from standard input'],
      ['sm vdi-import --create my-sr disk-B image.raw', 'make the disk, too, as large as the file'],
      ['zcat image.raw.gz | sm vdi-import --create my-sr --size 10GiB disk-B', 'the same from standard input'],
    ],
  })
    .argument('<vdi>', 'disk: name, uuid or beginning of the uuid; with --create the name of the new one')
    .argument('[file]', 'raw image; `-` or nothing for standard input')
    .option('--create <sr>', 'make the disk in this storage repository')
    .option('--size <size>', 'with --create: size of the disk, default that of the file', sizeArgument)
    .option('--progress', 'show progress even where standard error is no terminal')
    .option(...JSON_FLAG)
    .action(async (vdi: string, file: string | undefined, options: ImportOptions) => {
      const { importVdi } = await import('../disk/importVdi.ts')
      await importVdi(vdi, file, options)
    })
}
