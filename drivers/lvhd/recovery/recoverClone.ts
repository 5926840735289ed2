import { HIDDEN_TAG, vhdVolume, volumeOf, type VdiType } from '../../../lib/lvhd/names.ts'
import { SmError } from '../../../lib/smapi/SmError.ts'
import { findVdi, mergeSmConfig } from '../../records.ts'
import { dropCollectorKeys } from '../../revert/records.ts'
import { findVolume, readDisks, type Disk, type Disks } from '../disks.ts'
import type { LvhdFamilySR } from '../LvhdFamilySR.ts'
import { notePause } from '../pauses.ts'
import { introduceBranched } from '../snapshot/records.ts'
import { refreshActions, type SlaveAction } from '../slaves.ts'
import { otherHostsOf } from '../snapshot/makeLeaves.ts'
import { restoreSize } from './restoreSize.ts'
import { findBase, undoClone, type CloneNames } from './undoClone.ts'

/**
 * Settles an interrupted snapshot, clone or revert (spec lvhd 16.2, 31), all of which keep a `clone` journal. Without a base
 * nothing had been changed, or a revert is committed: records follow the disk. With both leaves whole a snapshot is
 * completed; everything else is undone. The journal goes last, and who made it, on whichever host, may have left the disk
 * paused. `quiesced`: the garbage collector is known not to run, so that its keys on the disk are left over.
 * @throws SmError VDIUnavailable where neither disk nor base is there; the journal stays
 */
export async function recoverClone(
  sr: LvhdFamilySR,
  names: CloneNames,
  { quiesced }: { readonly quiesced: boolean },
): Promise<void> {
  const { disk } = names
  const type = await findBase(sr, names.base)
  sr.context.log.warn(`VDI ${disk}: an interrupted snapshot or revert, base ${type === undefined ? 'gone' : 'there'}`)
  if (type === undefined) {
    const found = await findVolume(sr, disk)
    if (found === undefined) throw new SmError('VDIUnavailable', `VDI ${disk} has no volume`)
    await restoreSize(sr, disk)
    await correctDisk(sr, disk, quiesced)
    await tellOpeners(sr, disk, refreshActions(disk, found.volume.name))
  } else if (await areLeavesWhole(sr, names)) {
    await complete(sr, names, type)
  } else {
    await undoClone(sr, names)
  }
  await notePause(sr, disk)
  await sr.journals.remove('clone', disk)
}

/** Hosts that have the disk open, which an operation that was interrupted may have left without its volumes. */
async function tellOpeners(sr: LvhdFamilySR, disk: string, actions: readonly SlaveAction[]): Promise<void> {
  const ref = await findVdi(sr.context.xapi, disk)
  if (ref === undefined) return
  await sr.tellHosts(otherHostsOf(sr, await sr.context.xapi.vdiGetSmConfig(ref)), actions)
}

/** Sizes, parent, type and keys of a disk's record follow its image, as a scan or a committed revert would have it. */
async function correctDisk(sr: LvhdFamilySR, uuid: string, quiesced: boolean): Promise<void> {
  const { xapi } = sr.context
  const ref = await findVdi(xapi, uuid)
  const image = (await readDisks(sr, [uuid])).disks.get(uuid)
  if (ref === undefined || image === undefined) return
  const record = await xapi.vdiGetRecord(ref)
  if (record.virtual_size !== image.virtualSize) await xapi.vdiSetVirtualSize(ref, image.virtualSize)
  if (record.physical_utilisation !== image.volume.size) await xapi.vdiSetPhysicalUtilisation(ref, image.volume.size)
  const wanted = { vdi_type: image.type, 'vhd-parent': image.parent, key_hash: image.keyHash }
  await mergeSmConfig(xapi, ref, wanted, { removeSticky: true })
  await dropCollectorKeys(xapi, { ref, smConfig: record.sm_config }, { quiesced })
  if (await sr.isLegacy()) return
  const entry = (await sr.metadata.read()).vdis.get(uuid)
  if (entry !== undefined && entry.vdiType !== image.type) await sr.metadata.update(uuid, { vdiType: image.type })
}

async function areLeavesWhole(sr: LvhdFamilySR, { disk, base, newLeaf }: CloneNames): Promise<boolean> {
  const { group, activator, context } = sr
  const uuids = [disk, ...(newLeaf === undefined ? [] : [newLeaf])]
  for (const uuid of uuids) if ((await group.volume(vhdVolume(uuid))) === undefined) return false
  const read = await readDisks(sr, [...uuids, base])
  if (uuids.some(uuid => !read.disks.has(uuid))) return false
  await activator.hold(chainOf(read, uuids))
  const vhd = await sr.vhdUtil()
  try {
    for (const uuid of uuids) await vhd.check(group.path(vhdVolume(uuid)))
    return true
  } catch (error) {
    context.log.warn(`an interrupted snapshot of VDI ${disk} is not whole: ${String(error)}`)
    return false
  }
}

/** Disks and all ancestors that were read, to be held active. */
function chainOf({ disks }: Disks, uuids: readonly string[]): { uuid: string; volume: string }[] {
  const chain = new Map<string, Disk>()
  for (const leaf of uuids) {
    for (let next: string | undefined = leaf; next !== undefined && !chain.has(next);) {
      const disk: Disk | undefined = disks.get(next)
      if (disk === undefined) break
      chain.set(next, disk)
      next = disk.parent
    }
  }
  return [...chain.values()].map(({ uuid, volume }) => ({ uuid, volume: volume.name }))
}

async function complete(sr: LvhdFamilySR, { disk, base, newLeaf }: CloneNames, type: VdiType): Promise<void> {
  const { group } = sr
  const volume = volumeOf(type, base)
  const read = await readDisks(sr, [disk, base, ...(newLeaf === undefined ? [] : [newLeaf])])
  const image = read.disks.get(disk)
  const baseImage = read.disks.get(base)
  if (image === undefined || baseImage === undefined) throw new SmError('VDIUnavailable', `VDI ${disk} cannot be read`)
  if (!baseImage.hidden) {
    await group.setWritable(volume, true)
    await sr.activator.hold([{ uuid: base, volume }])
    if (type === 'vhd') await (await sr.vhdUtil()).setHidden(group.path(volume), true)
    else await group.setTag(volume, HIDDEN_TAG, true)
  }
  await group.setWritable(volume, false)
  // Without counting: how often a host was told before is not known.
  await tellOpeners(sr, disk, [
    { action: 'refresh', lvName: image.volume.name },
    { action: 'refresh', lvName: volume },
  ])
  const ref = await findVdi(sr.context.xapi, disk)
  if (ref === undefined) return
  const leaf = newLeaf === undefined ? undefined : read.disks.get(newLeaf)
  // Whether it was to be a snapshot or a clone is not known; xapi marks it if it still wants it.
  const branched = { disk: image, base: baseImage, newLeaf: leaf, isSnapshot: false }
  await introduceBranched(sr, ref, { ...branched, toleratesMetadata: true })
}
