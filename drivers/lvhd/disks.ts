import { kindOf, type VdiType } from '../../lib/lvhd/names.ts'
import { scanVhds, type ScannedVhd, type UnreadableVhd } from '../../lib/lvhd/scan.ts'
import type { LogicalVolume } from '../../lib/lvm/report.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import type { LvhdFamilySR } from './LvhdFamilySR.ts'
import { isReplacedLeaf, parseUnknownDisk } from './layout.ts'

/** A disk as its volume and its VHD say. Sizes in bytes. */
export interface Disk {
  readonly uuid: string
  readonly type: VdiType
  readonly volume: LogicalVolume
  readonly virtualSize: number
  readonly hidden: boolean
  /** Uuid. */
  readonly parent: string | undefined
  readonly keyHash: string | undefined
}

export interface Disks {
  /** By uuid. */
  readonly disks: ReadonlyMap<string, Disk>
  readonly unreadable: readonly UnreadableVhd[]
}

/** Every disk of the SR, or those named and their ancestors. Nothing is activated (spec lvhd 18 step 3). */
export async function readDisks(sr: LvhdFamilySR, uuids?: readonly string[]): Promise<Disks> {
  const { volumes } = await sr.group.report()
  const found = await scanVhds(sr.group, uuids === undefined ? {} : { uuids })
  const disks = new Map<string, Disk>()
  const unreadable: UnreadableVhd[] = []
  for (const volume of volumes.values()) {
    const kind = kindOf(volume)
    if (kind.kind === 'aio') disks.set(kind.uuid, rawDisk(kind.uuid, volume))
  }
  for (const [uuid, row] of found) {
    const volume = volumes.get(row.volume)
    if ('error' in row) unreadable.push(row)
    else if (volume !== undefined) disks.set(uuid, vhdDisk(row, volume))
  }
  return { disks, unreadable }
}

/**
 * As `readDisks`, where it matters who the children of this disk are: a volume that the disks below fail to deliver may hold
 * one. What holds no VHD has no parent.
 * @throws SmError VDIUnavailable where another volume cannot be read
 */
export async function readAllDisks(sr: LvhdFamilySR, parent: string): Promise<Disks> {
  const disks = await readDisks(sr)
  const unread = disks.unreadable.find(({ uuid, error }) => error.code === 'EIO' && uuid !== parent)
  if (unread !== undefined) throw new SmError('VDIUnavailable', `${unread.volume}: ${unread.error.message}`)
  return disks
}

/** Uuids of the disks built on this one. */
export function childrenOf({ disks }: Disks, uuid: string): string[] {
  return [...disks.values()].filter(disk => disk.parent === uuid).map(disk => disk.uuid)
}

/**
 * The volume of a disk, undefined where there is none.
 * @throws SmError VDILoad where there are two, VDIType where its format is not known
 */
export async function findVolume(
  sr: LvhdFamilySR,
  uuid: string,
): Promise<{ type: VdiType; volume: LogicalVolume } | undefined> {
  const { volumes } = await sr.group.report()
  const found = [...volumes.values()].flatMap(volume => {
    const kind = kindOf(volume)
    return (kind.kind === 'vhd' || kind.kind === 'aio') && kind.uuid === uuid ? [{ type: kind.kind, volume }] : []
  })
  if (found.length > 1) throw new SmError('VDILoad', `VDI ${uuid} has two volumes: multiple VDI's`)
  const foreign = [...volumes.keys()].map(parseUnknownDisk).find(disk => disk?.uuid === uuid)
  if (foreign !== undefined) throw new SmError('VDIType', `this driver does not handle ${foreign.format} images`)
  return found[0]
}

/**
 * Nothing may be forgotten on incomplete knowledge; of the disks in `except` that is known.
 * @throws SmError VDIUnavailable where another VHD cannot be read
 */
export function requireReadable(
  sr: LvhdFamilySR,
  { unreadable }: Disks,
  except: ReadonlySet<string> = new Set<string>(),
): void {
  const [broken] = unreadable.filter(({ uuid }) => !isReplacedLeaf(uuid) && !except.has(uuid))
  if (broken === undefined) return
  sr.context.log.error(`${broken.volume} holds no readable VHD: ${broken.error.message}`)
  throw new SmError('VDIUnavailable', `Error scanning VDI ${broken.uuid}`)
}

function rawDisk(uuid: string, volume: LogicalVolume): Disk {
  const hidden = volume.tags.includes('hidden')
  return { uuid, type: 'aio', volume, virtualSize: volume.size, hidden, parent: undefined, keyHash: undefined }
}

function vhdDisk({ uuid, virtualSize, hidden, parent, keyHash }: ScannedVhd, volume: LogicalVolume): Disk {
  return { uuid, type: 'vhd', volume, virtualSize, hidden, parent: parent?.uuid, keyHash }
}
