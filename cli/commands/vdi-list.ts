import type { Command } from 'commander'
import { connected, JSON_FLAG, makeCommand } from '../command.ts'
import type { Connection } from '../connection.ts'
import { formatDate } from '../format/date.ts'
import { formatSize } from '../format/sizes.ts'
import { renderTable, type Column } from '../format/table.ts'
import { print, printJson, remark, terminalWidth } from '../output.ts'
import { allSrs, allVdis, findSr, kindOf, vdisOf, type Vdi } from '../records.ts'
import { vdiJson } from '../shapes.ts'

interface Options {
  readonly sr?: string
  readonly all?: true
  readonly json?: true
}

interface Row {
  readonly vdi: Vdi
  readonly srName: string
  readonly note: string
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'UUID', value: ({ vdi }) => vdi.uuid },
  { title: 'NAME', value: ({ vdi }) => vdi.nameLabel, mayShrink: true },
  { title: 'KIND', value: ({ vdi }) => kindOf(vdi.record) },
  { title: 'SIZE', value: ({ vdi }) => formatSize(vdi.record.virtual_size), align: 'right' },
  { title: 'ON DISK', value: ({ vdi }) => formatSize(vdi.record.physical_utilisation), align: 'right' },
  { title: 'SR', value: ({ srName }) => srName },
  { title: 'NOTE', value: ({ note }) => note },
]

export function vdiListCommand(): Command {
  return makeCommand('vdi-list', {
    summary: 'list disks and snapshots',
    examples: [
      ['sm vdi-list', 'all of them'],
      ['sm vdi-list --sr my-sr --all', 'one repository, base copies included'],
      ['sm vdi-list --json', 'whole records'],
    ],
  })
    .option('--sr <sr>', 'only those of this storage repository')
    .option('-a, --all', 'the hidden base copies that disks share, too')
    .option(...JSON_FLAG)
    .action((options: Options) => connected(connection => listVdis(connection, options)))
}

async function listVdis(connection: Connection, { sr, all, json }: Options): Promise<void> {
  const found = sr === undefined ? await allVdis(connection) : await vdisOf(connection, await findSr(connection, sr))
  const shown = found.filter(({ record }) => all === true || record.managed).sort(compare)
  if (json === true) {
    await printJson(shown.map(vdiJson))
    return
  }
  if (shown.length === 0) {
    remark('no disks yet: sm vdi-create SR NAME --size 10GiB')
    return
  }
  const srNames = new Map((await allSrs(connection)).map(({ ref, nameLabel }) => [ref, nameLabel]))
  const names = new Map(found.map(vdi => [vdi.ref, vdi.nameLabel === '' ? vdi.uuid : vdi.nameLabel]))
  const row = (vdi: Vdi): Row => ({ vdi, srName: srNames.get(vdi.record.SR) ?? '', note: noteOn(vdi, names) })
  await print(renderTable(COLUMNS, shown.map(row), terminalWidth()))
}

function noteOn({ record }: Vdi, names: ReadonlyMap<string, string>): string {
  if (record.missing) return 'missing from storage'
  if (!record.is_a_snapshot) return record.type === 'user' ? '' : record.type
  return `of ${names.get(record.snapshot_of) ?? 'a disk that is gone'}, ${formatDate(record.snapshot_time)}`
}

/** By name, a disk before its snapshots, these by time. */
function compare(a: Vdi, b: Vdi): number {
  const key = ({ record }: Vdi) =>
    [record.SR, record.name_label, record.is_a_snapshot ? '1' : '0', record.snapshot_time, record.uuid].join('\0')
  return key(a) < key(b) ? -1 : 1
}
