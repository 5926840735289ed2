import type { Command } from 'commander'
import { connected, makeCommand } from '../command.ts'
import { OperationError } from '../failures.ts'
import { remark } from '../output.ts'
import { findSr } from '../records.ts'
import { nameOf } from '../resolve.ts'

export function pbdUnplugCommand(): Command {
  return makeCommand('pbd-unplug', {
    summary: 'detach a storage repository from this host',
    description: 'Its disks must not be in use.',
    examples: [['sm pbd-unplug my-sr', 'before sr-destroy or sr-forget']],
  })
    .alias('sr-detach')
    .argument('<sr>', 'name, uuid or beginning of the uuid; or the uuid of the PBD')
    .action((text: string) =>
      connected(async connection => {
        const sr = await findSr(connection, text)
        if (sr.pbd === undefined)
          throw new OperationError(`${nameOf(sr)} has no PBD: it was never connected to this host`)
        await connection.caller.call('PBD.unplug', sr.pbd.ref)
        remark(`detached ${nameOf(sr)}`)
      }),
    )
}
