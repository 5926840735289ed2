import path from 'node:path'
import { rootsOf, type ScsiDeps } from '../scsi/deps.ts'
import { byIdPath, byScsidDirectory, mapLink } from '../scsi/links.ts'
import { resolved } from '../scsi/rootDisk.ts'

/** `/dev/mapper/<SCSIid>`: the map of a disk. */
export function mapPath(deps: ScsiDeps, scsiId: string): string {
  return path.join(rootsOf(deps).dev, 'mapper', scsiId)
}

/** `/dev/disk/mpInuse/<SCSIid>`: leads to the map while an SR uses it. */
export function inUseLink(deps: ScsiDeps, scsiId: string): string {
  return path.join(rootsOf(deps).dev, 'disk/mpInuse', scsiId)
}

/**
 * All names of the device that LVM is to use for a disk: of its map while an SR uses that, else of the one path that
 * `by-id` leads to, so that neither the map's paths nor a second path appear as copies of it.
 */
export async function namesForLvm(deps: ScsiDeps, scsiId: string): Promise<string[]> {
  const inUse = inUseLink(deps, scsiId)
  if (await deps.system.files.exists(inUse)) return [mapPath(deps, scsiId), inUse, mapLink(deps, scsiId)]
  // Not the link itself: udev may turn it to another path at any time, and LVM would then see two copies.
  const real = await resolved(deps.system, byIdPath(deps, scsiId))
  return [real, path.join(byScsidDirectory(deps, scsiId), path.basename(real))]
}
