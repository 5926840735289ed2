import type { Command } from 'commander'
import { connected, makeCommand } from '../command.ts'
import type { Connection } from '../connection.ts'
import { remark } from '../output.ts'
import { findVdi, type Vdi } from '../records.ts'
import { nameOf } from '../resolve.ts'

export function vdiDestroyCommand(): Command {
  return makeCommand('vdi-destroy', {
    summary: 'destroy disks or snapshots, with their data',
    description:
      'A name that a disk shares with its snapshots is refused: use the uuid. All names are looked up first.',
    examples: [['sm vdi-destroy before-upgrade', 'when the upgrade went well']],
  })
    .argument('<vdi...>', 'name, uuid or beginning of the uuid')
    .action((names: string[]) => connected(connection => destroy(connection, names)))
}

async function destroy(connection: Connection, names: readonly string[]): Promise<void> {
  const found = new Map<string, Vdi>()
  for (const name of names) {
    const vdi = await findVdi(connection, name)
    found.set(vdi.ref, vdi)
  }
  for (const vdi of found.values()) {
    await connection.caller.call('VDI.destroy', vdi.ref)
    remark(`destroyed ${vdi.detail.startsWith('snapshot') ? 'snapshot' : 'disk'} ${nameOf(vdi)}`)
  }
}
