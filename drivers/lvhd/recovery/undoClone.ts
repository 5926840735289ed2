import { HIDDEN_TAG, rawVolume, vhdVolume, volumeOf, type VdiType } from '../../../lib/lvhd/names.ts'
import type { Activation } from '../../../lib/lvm/Activator.ts'
import { isUuid } from '../../../lib/smapi/members.ts'
import { SmError } from '../../../lib/smapi/SmError.ts'
import { findVdi, forgetVdi, mergeSmConfig } from '../../records.ts'
import { readDisks } from '../disks.ts'
import type { LvhdFamilySR } from '../LvhdFamilySR.ts'
import { dropActions, refreshActions } from '../slaves.ts'
import { otherHostsOf } from '../snapshot/makeLeaves.ts'
import { restoreSize } from './restoreSize.ts'

/** What a `clone` journal names. Uuids. */
export interface CloneNames {
  readonly disk: string
  readonly base: string
  readonly newLeaf: string | undefined
}

/** What the volume of a disk in a `clone` journal is called at present, undefined where it has gone back. */
export async function findBase(sr: LvhdFamilySR, base: string): Promise<VdiType | undefined> {
  if ((await sr.group.volume(vhdVolume(base))) !== undefined) return 'vhd'
  return (await sr.group.volume(rawVolume(base))) === undefined ? undefined : 'aio'
}

/**
 * Gives a disk its old volume back, which a `clone` journal says is the base now (spec lvhd 16.2, 31): the base is writable
 * and visible again, the leaves go, the name goes back, and the size. Each step looks before it acts, so that it may be
 * interrupted and repeated; the caller removes the journal afterwards.
 * @throws SmError VDIUnavailable, LvmError, VhdError, XapiError; the journal has to stay then
 */
export async function undoClone(sr: LvhdFamilySR, { disk, base, newLeaf }: CloneNames): Promise<void> {
  const { group, activator } = sr
  const { effects } = sr.context.system
  effects.point('LVHDRT_clone_vdi_before_undo_clone')
  const type = await findBase(sr, base)
  if (type !== undefined) {
    await dropMappings(sr, disk, { uuid: base, volume: volumeOf(type, base) })
    await reveal(sr, type, base)
    if (newLeaf !== undefined) await removeLeaf(sr, newLeaf)
    await removeLeaf(sr, disk)
    await group.rename(volumeOf(type, base), volumeOf(type, disk))
    await activator.renamed(base, { uuid: disk, volume: volumeOf(type, disk) })
  }
  await restoreSize(sr, disk)
  await restoreRecords(sr, { disk, base, newLeaf })
  effects.point('LVHDRT_clone_vdi_after_undo_clone')
}

/**
 * A host that has the disk open may have mapped what is to be removed and what is to be renamed; under the disk's name it
 * would go on with the wrong one.
 */
async function dropMappings(sr: LvhdFamilySR, disk: string, base: Activation): Promise<void> {
  const ref = await findVdi(sr.context.xapi, disk)
  if (ref === undefined) return
  await sr.tellHosts(otherHostsOf(sr, await sr.context.xapi.vdiGetSmConfig(ref)), [
    { action: 'deactivateNoRefcount', lvName: vhdVolume(disk) },
    ...dropActions(base.uuid, base.volume),
  ])
}

/** An image that cannot be read is left as it is: it has to get its name back all the same. */
async function reveal(sr: LvhdFamilySR, type: VdiType, base: string): Promise<void> {
  const { group, activator, context } = sr
  const volume = volumeOf(type, base)
  await group.setWritable(volume, true)
  if (type === 'aio') {
    await group.setTag(volume, HIDDEN_TAG, false)
    return
  }
  await activator.hold([{ uuid: base, volume }])
  try {
    // Set without asking: an interrupted run may have changed one of the two footers that say it.
    await (await sr.vhdUtil()).setHidden(group.path(volume), false)
  } catch (error) {
    context.log.error(`${volume} stays marked as it is: ${String(error)}`)
  }
}

async function removeLeaf(sr: LvhdFamilySR, uuid: string): Promise<void> {
  const { group, activator } = sr
  if ((await group.volume(vhdVolume(uuid))) === undefined) return
  await group.remove(vhdVolume(uuid))
  await activator.removed(uuid)
}

/** What was made is forgotten, and the disk's record follows its image again; hosts that have it open take that up. */
async function restoreRecords(sr: LvhdFamilySR, { disk, base, newLeaf }: CloneNames): Promise<void> {
  const { xapi } = sr.context
  for (const uuid of [newLeaf, base]) {
    if (uuid === undefined) continue
    await sr.metadata.delete(uuid)
    await forgetVdi(xapi, uuid)
    await sr.references.write(uuid, { count: 0, binary: 0 })
  }
  const ref = await findVdi(xapi, disk)
  const image = (await readDisks(sr, [disk])).disks.get(disk)
  if (ref === undefined || image === undefined) return
  await mergeSmConfig(xapi, ref, { vdi_type: image.type, 'vhd-parent': image.parent })
  await xapi.vdiSetPhysicalUtilisation(ref, image.volume.size)
  const hosts = otherHostsOf(sr, await xapi.vdiGetSmConfig(ref))
  await sr.tellHosts(hosts, refreshActions(disk, image.volume.name))
}

/** @throws SmError VDIUnavailable */
export function requireCloneNames(disk: string, value: string): CloneNames {
  const [base = '', newLeaf = '', ...more] = value.split('_')
  const areUuids = isUuid(base) && (newLeaf === '' || isUuid(newLeaf))
  if (!areUuids || more.length > 0) {
    throw new SmError('VDIUnavailable', `a journal of VDI ${disk} names ${JSON.stringify(value)}`)
  }
  return { disk, base, newLeaf: newLeaf === '' ? undefined : newLeaf }
}
