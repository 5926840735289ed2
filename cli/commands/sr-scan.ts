import type { Command } from 'commander'
import { connected, JSON_FLAG, makeCommand } from '../command.ts'
import type { Connection } from '../connection.ts'
import { printJson, remark } from '../output.ts'
import { findSr, vdisOf, type Vdi } from '../records.ts'
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
  const before = await vdisOf(connection, sr)
  await connection.caller.call('SR.scan', sr.ref)
  const vdis = await vdisOf(connection, sr)
  if (json) await printJson(vdis.map(vdiJson))
  else remark(`scanned ${nameOf(sr)}: ${vdis.length} images in the database${changes(before, vdis)}`)
  if (before.length > 0 && vdis.length === 0) {
    remark('Every disk is forgotten, its name too, for the storage holds none. Is it mounted, and the right one?')
  }
}

/** What the scan found that the database did not have, and the other way round. */
function changes(before: readonly Vdi[], after: readonly Vdi[]): string {
  const missing = (from: readonly Vdi[], others: readonly Vdi[]) => {
    const uuids = new Set(others.map(({ uuid }) => uuid))
    return from.filter(({ uuid }) => !uuids.has(uuid)).length
  }
  const [found, forgotten] = [missing(after, before), missing(before, after)]
  const parts = [...(found > 0 ? [`${found} new`] : []), ...(forgotten > 0 ? [`${forgotten} forgotten`] : [])]
  return parts.length === 0 ? '' : `, ${parts.join(', ')}`
}
