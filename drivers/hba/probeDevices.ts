import path from 'node:path'
import { adapters, firstLine, type Adapter } from '../../lib/scsi/adapters.ts'
import { rootsOf, type ScsiDeps } from '../../lib/scsi/deps.ts'
import { rescanHosts } from '../../lib/scsi/rescan.ts'
import { rootDiskId } from '../../lib/scsi/rootDisk.ts'
import { probeDocument, type ProbeElement } from '../probeXml.ts'
import { lunsOf, type HbaLun } from './luns.ts'

/** What transports tell of an adapter, by the class of sysfs that has it, in the order that clients know. */
const TRANSPORTS = [
  ['fc_host', ['node_name', 'port_name', 'port_state', 'speed', 'supported_speeds']],
  ['iscsi_host', ['hwaddress', 'initiatorname', 'ipaddress', 'port_speed', 'port_state']],
] as const

/**
 * The LUNs that an SR can be made on, and all adapters, as clients parse them (spec iscsi-hba 9). All adapters are scanned
 * first. `used`: ids of LUNs that are left out, as is the host's own disk.
 */
export async function probeDevices(deps: ScsiDeps, used: ReadonlySet<string>): Promise<string> {
  const hosts = await adapters(deps)
  await rescanHosts(
    deps,
    hosts.map(({ number }) => number),
  )
  // Where there is not a single disk with a name, there is nothing to choose from.
  if (!(await deps.system.files.exists(path.join(rootsOf(deps).dev, 'disk/by-id'))))
    return probeDocument(['Devlist', []])
  const root = await rootDiskId(deps)
  const free = (await lunsOf(deps, hosts)).filter(({ scsiId }) => scsiId !== root && !used.has(scsiId))
  const described: ProbeElement[] = []
  for (const host of hosts) described.push(await adapterElement(deps, host))
  return probeDocument(['Devlist', [...free.map(lun => lunElement(deps, lun)), ...described]])
}

function lunElement(deps: ScsiDeps, { scsiId, vendor, serial, size, paths }: HbaLun): ProbeElement {
  const [first, ...others] = paths
  const names = others.map(({ name }) => ` [${name}]`).join('')
  const { host, bus, target, lun } = first?.address ?? { host: 0, bus: 0, target: 0, lun: 0 }
  return [
    'BlockDevice',
    [
      ['path', `${path.join(rootsOf(deps).dev, first?.name ?? '')}${names}`],
      ['numpaths', String(paths.length)],
      ['SCSIid', scsiId],
      ['vendor', vendor],
      ['serial', serial],
      ['size', String(size)],
      ['adapter', String(host)],
      ['channel', String(bus)],
      ['id', String(target)],
      ['lun', String(lun)],
      ['hba', first?.adapter.driver ?? ''],
    ],
  ]
}

async function adapterElement(deps: ScsiDeps, { host, number, driver }: Adapter): Promise<ProbeElement> {
  const transports: ProbeElement[] = []
  for (const [className, attributes] of TRANSPORTS) {
    const directory = path.join(rootsOf(deps).sys, 'class', className, host)
    if (!(await deps.system.files.exists(directory))) continue
    const texts: ProbeElement[] = []
    for (const attribute of attributes) {
      const text = await firstLine(deps, path.join(directory, attribute))
      if (text !== '') texts.push([attribute, text])
    }
    transports.push([className, texts])
  }
  return [
    'Adapter',
    [
      ['host', host],
      ['name', driver],
      ['manufacturer', await manufacturer(deps, driver)],
      ['id', String(number)],
      ...transports,
    ],
  ]
}

async function manufacturer({ system }: ScsiDeps, driver: string): Promise<string> {
  if (!/^[A-Za-z0-9_]/.test(driver)) return 'Unknown'
  const argv = ['/sbin/modinfo', '-d', driver] as const
  const { exitCode, stdout } = await system.run(argv, { okExitCodes: [0, 1, 127], changes: false })
  const [line = ''] = stdout.split('\n', 1)
  return exitCode === 0 && line.trim() !== '' ? line.trim() : 'Unknown'
}
