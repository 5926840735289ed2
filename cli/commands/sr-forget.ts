import type { Command } from 'commander'
import { connected, makeCommand } from '../command.ts'
import { remark } from '../output.ts'
import { findSr } from '../records.ts'
import { nameOf } from '../resolve.ts'

export function srForgetCommand(): Command {
  return makeCommand('sr-forget', {
    summary: 'drop the records of a storage repository, not its data',
    description: 'It must be detached. Names of disks and which snapshot is of which disk are lost with the records.',
    examples: [['sm pbd-unplug my-sr && sm sr-forget my-sr', 'leave the folder as it is']],
  })
    .argument('<sr>', 'name, uuid or beginning of the uuid')
    .action((text: string) =>
      connected(async connection => {
        const sr = await findSr(connection, text)
        await connection.caller.call('SR.forget', sr.ref)
        remark(`forgot ${nameOf(sr)}; its data was not touched`)
      }),
    )
}
