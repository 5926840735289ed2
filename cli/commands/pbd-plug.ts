import type { Command } from 'commander'
import { connected, makeCommand } from '../command.ts'
import type { Connection } from '../connection.ts'
import { OperationError } from '../failures.ts'
import { remark } from '../output.ts'
import { findSr, type Sr } from '../records.ts'
import { nameOf } from '../resolve.ts'

export function pbdPlugCommand(): Command {
  return makeCommand('pbd-plug', {
    summary: 'attach a storage repository to this host',
    description: 'Interrupted operations are finished or undone, then the storage is scanned.',
    examples: [['sm pbd-plug my-sr', 'after a reboot of this machine, too']],
  })
    .alias('sr-attach')
    .argument('<sr>', 'name, uuid or beginning of the uuid; or the uuid of the PBD')
    .action((text: string) => connected(connection => plug(connection, text)))
}

async function plug(connection: Connection, text: string): Promise<void> {
  const { caller } = connection
  const sr = await findSr(connection, text)
  if (sr.pbd === undefined) throw new OperationError(`${nameOf(sr)} has no PBD: it was never connected to this host`)
  if (sr.pbd.record.currently_attached && !(await isStale(connection, sr))) {
    remark(`${nameOf(sr)} is attached already`)
    return
  }
  // The record survives a reboot, the mount does not; unplugging what is not mounted only corrects the record.
  if (sr.pbd.record.currently_attached) await caller.call('PBD.unplug', sr.pbd.ref)
  await caller.call('PBD.plug', sr.pbd.ref)
  remark(`attached ${nameOf(sr)}`)
}

/** The record says attached, but this host has nothing mounted. Of a toolstack elsewhere nothing can be said. */
async function isStale({ environment, url }: Connection, sr: Sr): Promise<boolean> {
  if (!url.startsWith('unix:')) return false
  const { isMounted } = await import('../../drivers/file/mount.ts')
  const { paths, system } = environment
  return sr.record.type === 'file' && !(await isMounted(system.files, paths.srMount(sr.uuid)))
}
