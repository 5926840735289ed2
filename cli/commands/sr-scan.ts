import type { Command } from 'commander'
import { connected, JSON_FLAG, makeCommand } from '../command.ts'
import type { Connection } from '../connection.ts'
import { printJson, remark } from '../output.ts'
import { findSr, vdisOf } from '../records.ts'
import { nameOf } from '../resolve.ts'
import { vdiJson } from '../shapes.ts'

export function srScanCommand(): Command {
  return makeCommand('sr-scan', {
    summary: 'bring the database in line with the storage',
    description:
      'Finishes or undoes what an interrupted operation left, finds disks that were added, forgets those that are ' +
      'gone and corrects sizes.',
    examples: [['sm sr-scan my-sr', 'after a crash, or after files were changed by hand']],
  })
    .argument('<sr>', 'name, uuid or beginning of the uuid')
    .option(...JSON_FLAG)
    .action((sr: string, options: { json?: true }) =>
      connected(connection => scan(connection, sr, options.json === true)),
    )
}

async function scan(connection: Connection, text: string, json: boolean): Promise<void> {
  const sr = await findSr(connection, text)
  await connection.caller.call('SR.scan', sr.ref)
  const vdis = await vdisOf(connection, sr)
  if (json) await printJson(vdis.map(vdiJson))
  else remark(`scanned ${nameOf(sr)}: ${vdis.length} images in the database`)
}
