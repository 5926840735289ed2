import path from 'node:path'
import { firstLine, scsiHosts } from '../scsi/adapters.ts'
import { rootsOf, type ScsiDeps } from '../scsi/deps.ts'
import { namesIn } from '../scsi/links.ts'
import type { Portal } from './names.ts'

/** A session as the kernel has it: one SCSI host, one portal. */
export interface Adapter extends Portal {
  /** Number of the SCSI host. */
  readonly host: number
  readonly iqn: string
}

const TRANSPORT = 'iscsi_tcp'

/** The sessions over TCP that the kernel has, in the order of their hosts; of one target where it is given. */
export async function iscsiAdapters(deps: ScsiDeps, iqn?: string): Promise<Adapter[]> {
  const found: Adapter[] = []
  for (const { number, driver } of await scsiHosts(deps)) {
    if (driver.includes(TRANSPORT)) found.push(...(await sessionsOf(deps, number)))
  }
  return iqn === undefined ? found : found.filter(adapter => adapter.iqn === iqn)
}

async function sessionsOf(deps: ScsiDeps, host: number): Promise<Adapter[]> {
  const device = path.join(rootsOf(deps).sys, 'class/iscsi_host', `host${host}`, 'device')
  const found: Adapter[] = []
  for (const session of await below(deps, device, /^session\d+$/)) {
    for (const entry of await below(deps, path.join(session, 'iscsi_session'), /^session\d+$/)) {
      const iqn = await firstLine(deps, path.join(entry, 'targetname'))
      for (const portal of await portalsOf(deps, session)) if (iqn !== '') found.push({ host, iqn, ...portal })
    }
  }
  return found
}

async function portalsOf(deps: ScsiDeps, session: string): Promise<Portal[]> {
  const found: Portal[] = []
  for (const connection of await below(deps, session, /^connection/)) {
    for (const entry of await below(deps, path.join(connection, 'iscsi_connection'), /^connection/)) {
      const address = await firstLine(deps, path.join(entry, 'persistent_address'))
      const port = Number(await firstLine(deps, path.join(entry, 'persistent_port')))
      if (address !== '') found.push({ address, port })
    }
  }
  return found
}

async function below(deps: ScsiDeps, directory: string, name: RegExp): Promise<string[]> {
  return (await namesIn(deps, directory)).filter(entry => name.test(entry)).map(entry => path.join(directory, entry))
}
