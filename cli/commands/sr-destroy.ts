import type { Command } from 'commander'
import { connected, makeCommand } from '../command.ts'
import { remark } from '../output.ts'
import { findSr } from '../records.ts'
import { nameOf } from '../resolve.ts'

export function srDestroyCommand(): Command {
  return makeCommand('sr-destroy', {
    summary: 'destroy an empty storage repository',
    description: 'It must be detached and have no disks left. To drop only the record, use sr-forget.',
    examples: [['sm pbd-unplug my-sr && sm sr-destroy my-sr', 'detach, then destroy']],
  })
    .argument('<sr>', 'name, uuid or beginning of the uuid')
    .action((text: string) =>
      connected(async connection => {
        const sr = await findSr(connection, text)
        await connection.caller.call('SR.destroy', sr.ref)
        remark(`destroyed ${nameOf(sr)}`)
      }),
    )
}
