import path from 'node:path'
import type { Command } from 'commander'
import { JSON_FLAG, collectPair, connected, labelArgument, makeCommand } from '../command.ts'
import type { Connection } from '../connection.ts'
import { OperationError, UsageError } from '../failures.ts'
import { print, printJson, remark } from '../output.ts'
import { srJson } from '../shapes.ts'

interface Options {
  readonly type: string
  readonly nameLabel?: string
  readonly nameDescription: string
  readonly location?: string
  readonly deviceConfig?: Readonly<Record<string, string>>
  readonly smConfig?: Readonly<Record<string, string>>
  readonly shared?: true
  readonly json?: true
}

export function srCreateCommand(): Command {
  return makeCommand('sr-create', {
    summary: 'make a storage repository and attach it',
    description: 'The directory of a file SR must be absent or empty; its parent must exist. Prints the uuid.',
    examples: [
      ['sm sr-create my-sr --location /srv/disks', 'disks as files in a folder'],
      ['sm sr-create --type file --name-label my-sr --device-config location=/srv/disks', 'the same, spelled out'],
    ],
  })
    .argument('[name]', 'name label (or --name-label)', labelArgument)
    .option('--type <type>', 'driver: see `sm info`', 'file')
    .option('--name-label <name>', 'name label', labelArgument)
    .option('--name-description <text>', 'description', labelArgument, '')
    .option('--location <dir>', 'short for --device-config location=DIR; may be relative')
    .option('--device-config <key=value>', 'where and how the driver finds the storage; repeatable', collectPair)
    .option('--sm-config <key=value>', 'settings that the driver keeps; repeatable', collectPair)
    .option('--shared', 'all hosts of the pool use it')
    .option(...JSON_FLAG)
    .action((name: string | undefined, options: Options) =>
      connected(connection => createSr(connection, name, options)),
    )
}

async function createSr(connection: Connection, name: string | undefined, options: Options): Promise<void> {
  const { caller, xapi } = connection
  const label = name ?? options.nameLabel
  if (label === undefined) throw new UsageError('give the storage repository a name: sm sr-create NAME …')
  const host = await xapi.poolGetMaster()
  const config = deviceConfig(options)
  const { type, nameDescription, shared, smConfig } = options
  const isShared = shared === true
  const args = [host, config, '0', label, nameDescription, type, '', isShared, smConfig ?? {}] as const
  const ref = String(await caller.call('SR.create', ...args))
  const { allSrs } = await import('../records.ts')
  const sr = (await allSrs(connection)).find(found => found.ref === ref)
  if (sr === undefined) throw new OperationError('the storage repository was made, but is not in the database')
  await (options.json === true ? printJson(srJson(sr)) : print(`${sr.uuid}\n`))
  if (sr.pbd !== undefined && !sr.pbd.record.currently_attached) {
    remark(`it is made but not attached; when what follows is put right: sm pbd-plug ${sr.uuid}`)
    // SR.create does not say why, this does.
    await caller.call('PBD.plug', sr.pbd.ref)
  }
}

function deviceConfig({ location, deviceConfig: given = {} }: Options): Record<string, string> {
  return location === undefined ? { ...given } : { ...given, location: path.resolve(location) }
}
