import path from 'node:path'
import { type ScsiDeps, rootsOf } from './deps.ts'
import { namesIn } from './links.ts'

/** A SCSI host of this machine. */
export interface Adapter {
  /** `host0`. */
  readonly host: string
  readonly number: number
  /** Name of its driver. */
  readonly driver: string
}

/** Drivers whose disks are not on an adapter that an SR is made on (spec iscsi-hba 9). */
const NOT_ADAPTERS = [/^(s|p|)ata_.*/, /^ahci$/, /^pdc_adma$/, /^iscsi_tcp$/, /^usb-storage$/]

/** Attributes that only one driver has; the last that is there decides. */
const MARKERS = [
  ['fnic_state', 'fnic'],
  ['lpfc_fcp_class', 'lpfc'],
  ['84xx_fw_version', 'qla2xxx'],
] as const

const NO_NAME: ReadonlySet<string> = new Set(['', '<NULL>', '(NULL)'])

/** The host bus adapters: SCSI hosts but for those of local disks and of software iSCSI. Nothing is scanned. */
export async function adapters(deps: ScsiDeps): Promise<Adapter[]> {
  return (await scsiHosts(deps)).filter(({ driver }) => !NOT_ADAPTERS.some(pattern => pattern.test(driver)))
}

/** Every SCSI host, by number. */
export async function scsiHosts(deps: ScsiDeps): Promise<Adapter[]> {
  const found: Adapter[] = []
  for (const host of await namesIn(deps, path.join(rootsOf(deps).sys, 'class/scsi_host'))) {
    const [, number] = /^host(\d+)$/.exec(host) ?? []
    if (number !== undefined) found.push({ host, number: Number(number), driver: await driverOf(deps, host) })
  }
  return found.sort((a, b) => a.number - b.number)
}

async function driverOf(deps: ScsiDeps, host: string): Promise<string> {
  const directory = path.join(rootsOf(deps).sys, 'class/scsi_host', host)
  const names = await namesIn(deps, directory)
  const [, marked] = MARKERS.findLast(([attribute]) => names.includes(attribute)) ?? []
  if (marked !== undefined) return marked
  for (const attribute of ['driver_name', 'proc_name']) {
    const name = await firstLine(deps, path.join(directory, attribute))
    if (!NO_NAME.has(name)) return name
  }
  const events = await attributeText(deps, path.join(directory, 'uevent'))
  return /^PHYSDEVDRIVER=(.+)$/m.exec(events)?.[1] ?? 'Unknown'
}

/** First line of a sysfs attribute, trimmed; empty where there is no such attribute or it cannot be read. */
export async function firstLine(deps: ScsiDeps, file: string): Promise<string> {
  return ((await attributeText(deps, file)).split('\n', 1)[0] ?? '').trim()
}

/** Attributes may vanish with their device, and some fail to be read while the device is busy. */
async function attributeText({ system, log }: ScsiDeps, file: string): Promise<string> {
  try {
    return (await system.files.exists(file)) ? await system.files.readText(file) : ''
  } catch (error) {
    log.debug(`${file} is not read: ${String(error)}`)
    return ''
  }
}
