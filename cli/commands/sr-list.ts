import type { Command } from 'commander'
import { connected, JSON_FLAG, makeCommand } from '../command.ts'
import type { Connection } from '../connection.ts'
import { formatSize } from '../format/sizes.ts'
import { renderTable, type Column } from '../format/table.ts'
import { print, printJson, remark, terminalWidth } from '../output.ts'
import { allSrs, type Sr } from '../records.ts'
import { srJson } from '../shapes.ts'

const COLUMNS: readonly Column<Sr>[] = [
  { title: 'UUID', value: ({ uuid }) => uuid },
  { title: 'NAME', value: ({ nameLabel }) => nameLabel, mayShrink: true },
  { title: 'TYPE', value: ({ record }) => record.type },
  { title: 'ATTACHED', value: ({ pbd }) => (pbd?.record.currently_attached === true ? 'yes' : 'no') },
  { title: 'DISKS', value: ({ record }) => String(record.VDIs.length), align: 'right' },
  { title: 'ALLOCATED', value: ({ record }) => formatSize(record.virtual_allocation), align: 'right' },
  { title: 'USED', value: ({ record }) => formatSize(record.physical_utilisation), align: 'right' },
  { title: 'SIZE', value: ({ record }) => formatSize(record.physical_size), align: 'right' },
]

export function srListCommand(): Command {
  return makeCommand('sr-list', {
    summary: 'list the storage repositories',
    description: 'USED and SIZE are those of the file system or device below, whatever else is on it.',
    examples: [
      ['sm sr-list', 'a table'],
      ['sm sr-list --json', 'whole records'],
    ],
  })
    .option(...JSON_FLAG)
    .action((options: { json?: true }) => connected(connection => listSrs(connection, options.json === true)))
}

async function listSrs(connection: Connection, json: boolean): Promise<void> {
  const srs = (await allSrs(connection)).sort((a, b) => a.nameLabel.localeCompare(b.nameLabel))
  if (json) await printJson(srs.map(srJson))
  else if (srs.length === 0) remark('no storage repositories yet: sm sr-create NAME --location DIR')
  else await print(renderTable(COLUMNS, srs, terminalWidth()))
}
