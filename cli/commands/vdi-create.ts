import type { Command } from 'commander'
import { JSON_FLAG, collectPair, connected, labelArgument, makeCommand, sizeArgument } from '../command.ts'
import type { Connection } from '../connection.ts'
import { createVdi } from '../disk/createVdi.ts'
import { UsageError } from '../failures.ts'
import { print, printJson } from '../output.ts'
import { findSr } from '../records.ts'
import { vdiJson } from '../shapes.ts'

interface Options {
  readonly size: number
  readonly nameLabel?: string
  readonly nameDescription: string
  readonly raw?: true
  readonly smConfig?: Readonly<Record<string, string>>
  readonly json?: true
}

export function vdiCreateCommand(): Command {
  return makeCommand('vdi-create', {
    summary: 'make an empty disk',
    description: 'Takes no room until it is written to. Sizes are rounded up to 2 MiB. Prints the uuid.',
    examples: [
      ['sm vdi-create my-sr disk-A --size 10GiB', 'a VHD'],
      ['sm vdi-create my-sr scratch --size 512M --raw', 'a raw file: no snapshots'],
    ],
  })
    .argument('<sr>', 'storage repository: name, uuid or beginning of the uuid')
    .argument('[name]', 'name label (or --name-label)', labelArgument)
    .requiredOption('--size <size>', 'bytes, or with KiB, MiB, GiB, TiB', sizeArgument)
    .option('--name-label <name>', 'name label', labelArgument)
    .option('--name-description <text>', 'description', labelArgument, '')
    .option('--raw', 'a plain file instead of a VHD')
    .option('--sm-config <key=value>', 'settings for the driver; repeatable', collectPair)
    .option(...JSON_FLAG)
    .action((sr: string, name: string | undefined, options: Options) =>
      connected(connection => create(connection, { sr, name, options })),
    )
}

async function create(
  connection: Connection,
  { sr: text, name, options }: { sr: string; name: string | undefined; options: Options },
): Promise<void> {
  const nameLabel = name ?? options.nameLabel
  if (nameLabel === undefined) throw new UsageError('give the disk a name: sm vdi-create SR NAME --size SIZE')
  const sr = await findSr(connection, text)
  const { size, nameDescription, raw, smConfig } = options
  const type: Record<string, string> = raw === true ? { type: 'raw' } : {}
  const vdi = await createVdi(connection, sr, { nameLabel, nameDescription, size, smConfig: { ...smConfig, ...type } })
  await (options.json === true ? printJson(vdiJson(vdi)) : print(`${vdi.uuid}\n`))
}
