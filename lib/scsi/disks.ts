import path from 'node:path'
import { formatAddress, parseAddress, type ScsiAddress } from './address.ts'
import { type ScsiDeps, rootsOf } from './deps.ts'
import { namesIn } from './links.ts'

/** A disk as the kernel has it: one path to a LUN. */
export interface ScsiDisk {
  /** Kernel name, `sda`. Undefined while the kernel still reads the disk. */
  readonly name: string | undefined
  readonly address: ScsiAddress
}

/**
 * The disks of a host, by LUN of every target. A host's number is compared whole: disks of host 10 are none of host 1.
 * Every transport's targets have their host's number in their name, so that nothing of how they are connected (remote
 * ports, sessions, phys) needs to be known.
 */
export async function disksOfHost(deps: ScsiDeps, host: number): Promise<ScsiDisk[]> {
  return (await scsiDisks(deps)).filter(({ address }) => address.host === host)
}

/** Every SCSI disk of this host. */
export async function scsiDisks(deps: ScsiDeps): Promise<ScsiDisk[]> {
  const directory = path.join(rootsOf(deps).sys, 'class/scsi_disk')
  const disks: ScsiDisk[] = []
  for (const entry of await namesIn(deps, directory)) {
    const address = parseAddress(entry)
    if (address !== undefined) disks.push({ name: await blockName(deps, address), address })
  }
  return disks
}

/** Kernel name of the disk at an address, undefined where there is none. */
export async function blockName(deps: ScsiDeps, address: ScsiAddress): Promise<string | undefined> {
  const device = path.join(rootsOf(deps).sys, 'class/scsi_disk', formatAddress(address), 'device/block')
  return (await namesIn(deps, device))[0]
}

/** Whether something is built on a disk: a multipath map, a logical volume. */
export async function isHeld(deps: ScsiDeps, name: string): Promise<boolean> {
  return (await namesIn(deps, path.join(rootsOf(deps).sys, 'block', name, 'holders'))).length > 0
}
