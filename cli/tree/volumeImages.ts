import { LockManager } from '../../lib/lock/Lock.ts'
import { kindOf } from '../../lib/lvhd/names.ts'
import { isUnreadable, scanVhds } from '../../lib/lvhd/scan.ts'
import { Lvm } from '../../lib/lvm/Lvm.ts'
import { groupName } from '../../lib/lvm/names.ts'
import { VolumeGroup } from '../../lib/lvm/VolumeGroup.ts'
import { makeLogger } from '../../lib/os/log.ts'
import type { Connection } from '../connection.ts'
import type { Sr } from '../records.ts'
import type { TreeImage } from './forest.ts'

const TYPES: ReadonlySet<string> = new Set(['lvm', 'lvhd'])

/** Whether an SR keeps its disks in volumes. */
export function hasVolumes(sr: Sr): boolean {
  return TYPES.has(sr.record.type)
}

/** The volume group of an SR, which this host need not see. */
export function groupOf({ environment: { system, paths } }: Connection, sr: Sr): VolumeGroup {
  const locks = new LockManager(paths, system.effects)
  return new VolumeGroup(new Lvm({ system, paths, locks, log: makeLogger() }), groupName(sr.uuid))
}

/** The images in the volumes of an SR; none of them is activated. */
export async function readVolumeImages(connection: Connection, sr: Sr): Promise<TreeImage[]> {
  const group = groupOf(connection, sr)
  const rows = await scanVhds(group)
  const images = [...rows.values()].map((row): TreeImage => {
    const nothing = { uuid: row.uuid, virtualSize: 0, bytesOnDisk: 0, hidden: false, raw: false, parent: undefined }
    if (isUnreadable(row)) return { ...nothing, problem: row.error.message }
    const { virtualSize, volumeSize, hidden, parent } = row
    return { ...nothing, virtualSize, bytesOnDisk: volumeSize, hidden, parent: parent?.uuid }
  })
  for (const volume of (await group.report()).volumes.values()) {
    const kind = kindOf(volume)
    if (kind.kind !== 'aio') continue
    const hidden = volume.tags.includes('hidden')
    const { uuid } = kind
    images.push({ uuid, virtualSize: volume.size, bytesOnDisk: volume.size, hidden, raw: true, parent: undefined })
  }
  return images
}
