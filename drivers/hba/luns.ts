import path from 'node:path'
import { formatAddress } from '../../lib/scsi/address.ts'
import type { Adapter } from '../../lib/scsi/adapters.ts'
import { rootsOf, type ScsiDeps } from '../../lib/scsi/deps.ts'
import { disksOfHost } from '../../lib/scsi/disks.ts'
import { serialOf, sizeOf, vendorOf } from '../../lib/scsi/facts.ts'
import { busLinks, type BusLink } from '../../lib/scsi/links.ts'
import { SmError } from '../../lib/smapi/SmError.ts'

/** A LUN behind the adapters, over all of its paths. */
export interface HbaLun {
  readonly scsiId: string
  readonly vendor: string
  readonly serial: string
  /** Bytes. */
  readonly size: number
  /** The first is the one that the facts are of. */
  readonly paths: readonly HbaPath[]
}

interface HbaPath extends BusLink {
  /** Kernel name, `sda`. */
  readonly name: string
  readonly adapter: Adapter
}

/** The LUNs that adapters show and that udev has named; those that do not answer are left out. Nothing is scanned. */
export async function lunsOf(deps: ScsiDeps, adapters: readonly Adapter[]): Promise<HbaLun[]> {
  const paths = await pathsOf(deps, adapters)
  const luns: HbaLun[] = []
  for (const scsiId of new Set(paths.map(each => each.scsiId))) {
    const lun = await describeLun(
      deps,
      scsiId,
      paths.filter(each => each.scsiId === scsiId),
    )
    if (lun !== undefined) luns.push(lun)
  }
  return luns
}

async function pathsOf(deps: ScsiDeps, adapters: readonly Adapter[]): Promise<HbaPath[]> {
  const links = new Map((await busLinks(deps)).map(link => [formatAddress(link.address), link]))
  const paths: HbaPath[] = []
  for (const adapter of adapters) {
    for (const { name, address } of await disksOfHost(deps, adapter.number)) {
      const link = links.get(formatAddress(address))
      if (name !== undefined && link !== undefined) paths.push({ ...link, name, adapter })
    }
  }
  return paths
}

/** The facts are asked over the first path that answers; paths that do not count all the same. */
async function describeLun(deps: ScsiDeps, scsiId: string, paths: readonly HbaPath[]): Promise<HbaLun | undefined> {
  for (const first of paths) {
    const device = path.join(rootsOf(deps).dev, first.name)
    try {
      return {
        scsiId,
        vendor: await vendorOf(deps, device),
        serial: await serialOf(deps, device),
        size: await sizeOf(deps, first.name),
        paths: [first, ...paths.filter(other => other !== first)],
      }
    } catch (error) {
      if (!(error instanceof SmError)) throw error
      deps.log.warn(`${device} (${scsiId}) does not answer: ${error.message}`)
    }
  }
  return undefined
}
