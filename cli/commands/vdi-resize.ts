import type { Command } from 'commander'
import { connected, JSON_FLAG, makeCommand, sizeArgument } from '../command.ts'
import type { Connection } from '../connection.ts'
import { OperationError } from '../failures.ts'
import { formatSize } from '../format/sizes.ts'
import { printJson, remark } from '../output.ts'
import { findVdi, readVdi } from '../records.ts'
import { nameOf } from '../resolve.ts'
import { vdiJson } from '../shapes.ts'

export function vdiResizeCommand(): Command {
  return makeCommand('vdi-resize', {
    summary: 'grow a disk',
    description: 'The disk must not be in use. Disks cannot shrink; reverting to a snapshot brings its size back.',
    examples: [['sm vdi-resize disk-A 20GiB', 'the new size, not the difference']],
  })
    .argument('<vdi>', 'disk: name, uuid or beginning of the uuid')
    .argument('<size>', 'bytes, or with KiB, MiB, GiB, TiB', sizeArgument)
    .option(...JSON_FLAG)
    .action((vdi: string, size: number, options: { json?: true }) =>
      connected(connection => resize(connection, { vdi, size, json: options.json === true })),
    )
}

async function resize(
  connection: Connection,
  { vdi: text, size, json }: { vdi: string; size: number; json: boolean },
): Promise<void> {
  const vdi = await findVdi(connection, text, 'disk')
  if (vdi.record.is_a_snapshot) {
    throw new OperationError(`${nameOf(vdi)} is a snapshot and must not change`, [
      `Grow a copy of it: sm vdi-clone ${vdi.uuid}`,
    ])
  }
  if (size < vdi.record.virtual_size) {
    throw new OperationError(
      `${nameOf(vdi)} has ${formatSize(vdi.record.virtual_size)}: disks can grow but not shrink`,
      ['Make a smaller disk with sm vdi-create and copy what is needed.'],
    )
  }
  await connection.caller.call('VDI.resize', vdi.ref, String(size))
  const now = await readVdi(connection, vdi.ref)
  if (json) await printJson(vdiJson(now))
  else remark(`${nameOf(now)} has ${formatSize(now.record.virtual_size)} now`)
}
