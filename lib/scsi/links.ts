import path from 'node:path'
import { isErrno } from '../os/files.ts'
import { parseAddress, type ScsiAddress } from './address.ts'
import { type ScsiDeps, rootsOf } from './deps.ts'

/** The name that a multipath map has among the paths of its disk. */
const MAP = 'mapper'

/** A name below `/dev/disk/by-scsibus`. */
export interface BusLink {
  readonly path: string
  readonly scsiId: string
  readonly address: ScsiAddress
}

/** `/dev/disk/by-id/scsi-<SCSIid>`: a disk by its id, over one of its paths. */
export function byIdPath(deps: ScsiDeps, scsiId: string): string {
  return path.join(rootsOf(deps).dev, 'disk/by-id', `scsi-${scsiId}`)
}

/** `/dev/disk/by-scsid/<SCSIid>`: the directory of all paths of a disk, and of its multipath map. */
export function byScsidDirectory(deps: ScsiDeps, scsiId: string): string {
  return path.join(rootsOf(deps).dev, 'disk/by-scsid', scsiId)
}

/** `/dev/disk/by-scsid/<SCSIid>/mapper`. */
export function mapLink(deps: ScsiDeps, scsiId: string): string {
  return path.join(byScsidDirectory(deps, scsiId), MAP)
}

/** All devices of a disk below `/dev/disk/by-scsid`, its map included; none where the disk is not there. */
export async function lunEntries(deps: ScsiDeps, scsiId: string): Promise<string[]> {
  const directory = byScsidDirectory(deps, scsiId)
  return (await namesIn(deps, directory)).map(name => path.join(directory, name))
}

/** Kernel names (`sda`) of the paths of a disk. */
export async function pathNames(deps: ScsiDeps, scsiId: string): Promise<string[]> {
  const names = await namesIn(deps, byScsidDirectory(deps, scsiId))
  return names.filter(name => name !== MAP)
}

/** Every path of every SCSI disk, as udev has named them. */
export async function busLinks(deps: ScsiDeps): Promise<BusLink[]> {
  const directory = path.join(rootsOf(deps).dev, 'disk/by-scsibus')
  return (await namesIn(deps, directory)).flatMap(name => {
    const [, scsiId, text] = /^(.+)-(\d+:\d+:\d+:\d+)$/.exec(name) ?? []
    const address = parseAddress(text ?? '')
    return scsiId === undefined || address === undefined ? [] : [{ path: path.join(directory, name), scsiId, address }]
  })
}

/** Names in a directory that may be missing. */
export async function namesIn({ system }: ScsiDeps, directory: string): Promise<string[]> {
  try {
    return await system.files.list(directory)
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return []
    throw error
  }
}
