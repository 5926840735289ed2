import type { Files } from '../os/files.ts'
import { isErrno } from '../os/files.ts'
import type { Portal } from './names.ts'

/** A session as the kernel has it: one SCSI host, one portal. */
export interface Adapter extends Portal {
  /** Number of the SCSI host. */
  readonly host: number
  readonly iqn: string
}

const SCSI_HOSTS = '/sys/class/scsi_host'
const ISCSI_HOSTS = '/sys/class/iscsi_host'
const TRANSPORT = 'iscsi_tcp'

/** The sessions over TCP that the kernel has, in the order of their hosts; of one target where it is given. */
export async function iscsiAdapters(files: Files, iqn?: string): Promise<Adapter[]> {
  const found: Adapter[] = []
  for (const name of await listOrNone(files, SCSI_HOSTS)) {
    const host = Number(/^host(\d+)$/.exec(name)?.[1] ?? NaN)
    if (Number.isNaN(host) || !(await attribute(files, `${SCSI_HOSTS}/${name}/proc_name`)).includes(TRANSPORT)) continue
    found.push(...(await sessionsOf(files, host)))
  }
  const wanted = iqn === undefined ? found : found.filter(adapter => adapter.iqn === iqn)
  return wanted.sort((one, other) => one.host - other.host)
}

async function sessionsOf(files: Files, host: number): Promise<Adapter[]> {
  const device = `${ISCSI_HOSTS}/host${host}/device`
  const found: Adapter[] = []
  for (const session of await below(files, device, /^session\d+$/)) {
    for (const entry of await below(files, `${session}/iscsi_session`, /^session\d+$/)) {
      const iqn = await attribute(files, `${entry}/targetname`)
      for (const connection of await connectionsOf(files, session)) {
        const address = await attribute(files, `${connection}/persistent_address`)
        const port = Number(await attribute(files, `${connection}/persistent_port`))
        if (iqn !== '' && address !== '') found.push({ host, iqn, address, port })
      }
    }
  }
  return found
}

async function connectionsOf(files: Files, session: string): Promise<string[]> {
  const found: string[] = []
  for (const connection of await below(files, session, /^connection/)) {
    found.push(...(await below(files, `${connection}/iscsi_connection`, /^connection/)))
  }
  return found
}

async function below(files: Files, directory: string, name: RegExp): Promise<string[]> {
  const names = await listOrNone(files, directory)
  return names.filter(entry => name.test(entry)).map(entry => `${directory}/${entry}`)
}

/** Empty where the session has gone meanwhile. */
async function attribute(files: Files, file: string): Promise<string> {
  try {
    return (await files.readText(file)).trim()
  } catch (error) {
    if (isGone(error)) return ''
    throw error
  }
}

async function listOrNone(files: Files, directory: string): Promise<string[]> {
  try {
    return await files.list(directory)
  } catch (error) {
    if (isGone(error)) return []
    throw error
  }
}

/** What sysfs says of objects that are being removed. */
function isGone(error: unknown): boolean {
  return ['ENOENT', 'ENODEV', 'ENXIO', 'ENOTCONN', 'ENOTDIR', 'EINVAL'].some(code => isErrno(error, code))
}
