import path from 'node:path'
import { CommandError } from '../os/run.ts'
import { formatAddress, parseAddress, targetOf, type ScsiAddress } from './address.ts'
import { scsiHosts } from './adapters.ts'
import { type ScsiDeps, rootsOf, within } from './deps.ts'
import { addDevice, removeDevice, settle } from './devices.ts'
import { blockName, disksOfHost, isHeld } from './disks.ts'
import { busLinks, namesIn, type BusLink } from './links.ts'
import { rootDiskId } from './rootDisk.ts'
import { scsiIdOf } from './scsiId.ts'

const DISK_WAIT_MS = 5000
/** Type of a SCSI device that is a disk. */
const DISK = '0'

/** Looks for LUNs on every host. A host that fails to scan does not keep the others from it. */
export async function rescanAllHosts(deps: ScsiDeps): Promise<void> {
  await rescanHosts(
    deps,
    (await scsiHosts(deps)).map(({ number }) => number),
  )
}

/**
 * Looks for LUNs on hosts: new ones appear, those that the target does not list any more go, and those whose number now
 * means another disk are replaced (spec iscsi-hba 6). The host's own disk is never touched, nor one that something is built on.
 * What cannot be done is told to the log only.
 */
export async function rescanHosts(deps: ScsiDeps, hosts: readonly number[]): Promise<void> {
  for (const host of hosts) await scan(deps, host)
  await settle(deps)
  const root = await rootDiskId(deps)
  let isChanged = false
  for (const host of hosts) isChanged = (await bringInLine(deps, host, root)) || isChanged
  if (isChanged) await settle(deps)
}

async function scan(deps: ScsiDeps, host: number): Promise<void> {
  try {
    await deps.system.files.append(path.join(rootsOf(deps).sys, 'class/scsi_host', `host${host}`, 'scan'), '- - -')
    // The scan has found the devices when the write ends; their disks come a little later.
    await within(deps, DISK_WAIT_MS, () => allDisksThere(deps, host))
  } catch (error) {
    deps.log.warn(`host ${host} is not scanned: ${String(error)}`)
  }
}

async function allDisksThere(deps: ScsiDeps, host: number): Promise<boolean> {
  const devices = path.join(rootsOf(deps).sys, 'class/scsi_device')
  for (const entry of await namesIn(deps, devices)) {
    const address = parseAddress(entry)
    if (address?.host !== host) continue
    const type = await deps.system.files.readText(path.join(devices, entry, 'device/type'))
    if (type.trim() === DISK && (await blockName(deps, address)) === undefined) return false
  }
  return true
}

/** Compares what each target lists with what the kernel and udev have of it. Whether anything was to be done. */
async function bringInLine(deps: ScsiDeps, host: number, root: string): Promise<boolean> {
  let isChanged = false
  const links = (await busLinks(deps)).filter(({ address }) => address.host === host)
  for (const target of new Set(links.map(({ address }) => targetOf(address)))) {
    try {
      const known = links.filter(({ address }) => targetOf(address) === target)
      isChanged = (await compareTarget(deps, known, root)) || isChanged
    } catch (error) {
      isChanged = true
      deps.log.warn(`LUNs of ${target} are left as they are: ${String(error)}`)
    }
  }
  return isChanged
}

async function compareTarget(deps: ScsiDeps, known: readonly BusLink[], root: string): Promise<boolean> {
  const listed = await listedLuns(deps, known)
  const [{ address } = { address: undefined }] = known
  if (listed === undefined || address === undefined) return false
  let isChanged = false
  for (const link of known) {
    if (link.scsiId === root) continue
    const isListed = listed.includes(link.address.lun)
    // A disk that does not say who it is has not become another one.
    if (isListed && ['', link.scsiId].includes(await scsiIdOf(deps, link.path))) continue
    if (await isUsed(deps, link)) continue
    isChanged = true
    await removeDevice(deps, link.address)
    if (isListed) await addDevice(deps, link.address)
  }
  const present = new Set((await disksOfHost(deps, address.host)).map(disk => formatAddress(disk.address)))
  for (const lun of listed) {
    const there: ScsiAddress = { ...address, lun }
    if (present.has(formatAddress(there))) continue
    isChanged = true
    await addDevice(deps, there)
  }
  return isChanged
}

/**
 * The LUNs that a target says it has, by asking any of its LUNs that answers; undefined where none does. An empty list is no
 * answer: there is the LUN that was asked.
 */
async function listedLuns(deps: ScsiDeps, known: readonly BusLink[]): Promise<number[] | undefined> {
  for (const link of known) {
    try {
      const { stdout } = await deps.system.run(['/usr/bin/sg_luns', '-q', link.path], { changes: false })
      const listed = parseLuns(stdout)
      if (listed.length > 0) return listed
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      deps.log.debug(`${link.path} lists no LUNs: ${String(error)}`)
    }
  }
  return undefined
}

function parseLuns(text: string): number[] {
  return text.split('\n').flatMap(line => {
    const [, number] = /^\s*([0-9a-fA-F]{4})[0-9a-fA-F]{12}\s*$/.exec(line) ?? []
    return number === undefined ? [] : [parseInt(number, 16)]
  })
}

/** What is built on a disk would fail for good with it, while a target may list the disk again a moment later. */
async function isUsed(deps: ScsiDeps, { address, scsiId }: BusLink): Promise<boolean> {
  const name = await blockName(deps, address)
  if (name === undefined || !((await isHeld(deps, name)) || (await isTaken(deps, name)))) return false
  deps.log.warn(`${name} (${scsiId}) is not what its target lists at ${formatAddress(address)}, but in use`)
  return true
}

/** Mounted, swapped to, or with a partition that is in use: none of that is among the disk's holders. */
async function isTaken(deps: ScsiDeps, name: string): Promise<boolean> {
  try {
    return await deps.system.files.isBusy(path.join(rootsOf(deps).dev, name))
  } catch (error) {
    // What cannot even be opened nobody works with.
    deps.log.debug(`${name} cannot be opened: ${String(error)}`)
    return false
  }
}
