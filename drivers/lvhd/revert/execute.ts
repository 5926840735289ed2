import { vdiOfPath, vhdVolume, volumeOf, type VdiType } from '../../../lib/lvhd/names.ts'
import { ROOM_FOR } from '../../../lib/lvhd/sizes.ts'
import { SmError } from '../../../lib/smapi/SmError.ts'
import { inspectVhd } from '../../../lib/vhd/inspect.ts'
import type { RevertPlan } from '../../../lib/vhd/revert-plan.ts'
import type { Ref } from '../../../lib/xapi/XapiClient.ts'
import { dropContentId } from '../../revert/records.ts'
import type { Disk } from '../disks.ts'
import type { LvhdFamilySR } from '../LvhdFamilySR.ts'
import { findBase, type CloneNames } from '../recovery/undoClone.ts'
import { cloneJournalValue } from '../snapshot/makeLeaves.ts'
import { proveImages } from './proveImages.ts'
import { newVolumeSize } from './space.ts'

/** A revert whose disks are paused, whose plan is final, and whose snapshot is split if that was needed. */
export interface RevertWork {
  readonly sr: LvhdFamilySR
  readonly plan: RevertPlan
  readonly snapshot: string
  readonly target: string
  readonly targetRef: Ref
  /** What the target is until then. */
  readonly targetType: VdiType
  /** The snapshot and its ancestors as they are now, itself first. */
  readonly chain: readonly Disk[]
  /** Uuid of the node whose content the target gets. */
  readonly backing: string
  /** Names in the journal: the target, the uuid its old volume is kept under, the uuid its new one is built under. */
  readonly names: CloneNames & { readonly newLeaf: string }
}

/**
 * The disk part of a revert (spec lvhd 30, first variant), with the snapshot's chain proven before the target is touched:
 * 1. `clone` journal; 2. the old volume gets another name; 3. the new one under a temporary name, durable and proven;
 * 4. it takes the target's name; 5. content_id dropped; 6. commit: remove the old volume. The caller removes the journal,
 * last of all. As long as the old volume is there recovery goes back to it.
 * @throws SmError, LvmError, VhdError, XapiError; nothing is committed then
 */
export async function executeRevert(work: RevertWork): Promise<void> {
  const { sr, target, targetType, names } = work
  const { group, activator } = sr
  const { effects } = sr.context.system
  await activator.hold(work.chain.map(({ uuid, volume }) => ({ uuid, volume: volume.name })))
  // The snapshot's own image and the one that holds its content; the rest of the chain has been read.
  await proveImages(
    sr,
    work.chain.filter(({ uuid }) => uuid === work.snapshot || uuid === work.backing),
  )
  await sr.journals.create('clone', target, cloneJournalValue(names))
  await group.rename(volumeOf(targetType, target), volumeOf(targetType, names.base))
  await buildTarget(work)
  effects.point('LVM_revert_create_dest')
  await group.rename(vhdVolume(names.newLeaf), vhdVolume(target))
  await activator.renamed(names.newLeaf, { uuid: target, volume: vhdVolume(target) })
  await dropContentId(sr.context.xapi, work.targetRef)
  effects.point('LVM_revert_before_commit')
  await commit(work)
}

async function buildTarget({ sr, plan, snapshot, backing, names }: RevertWork): Promise<void> {
  const { group, activator } = sr
  const volume = vhdVolume(names.newLeaf)
  const { free } = await group.report()
  await group.create(volume, newVolumeSize(await sr.allocation(), plan.virtualSize, free))
  await activator.adopt({ uuid: names.newLeaf, volume })
  const vhd = await sr.vhdUtil()
  // The snapshot is named as the parent: the tool skips empty nodes to the backing one, and the size is the snapshot's.
  await vhd.snapshot(group.path(volume), group.path(vhdVolume(snapshot)), { maxSize: ROOM_FOR })
  await vhd.check(group.path(volume))
  const image = await inspectVhd(sr.context.system.files, group.path(volume))
  const parent = image.parentName === undefined ? undefined : vdiOfPath(image.parentName)?.uuid
  if (parent !== backing || image.virtualSize !== plan.virtualSize || image.hidden) {
    throw new SmError('VDISnapshot', `revert built an image of ${image.virtualSize} bytes on ${parent ?? 'nothing'}`)
  }
}

/** The one step that changes what the target is. An error of it proves nothing: whether the old volume is there does. */
async function commit({ sr, target, targetType, names }: RevertWork): Promise<void> {
  try {
    await sr.group.remove(volumeOf(targetType, names.base))
  } catch (error) {
    sr.group.forget()
    if ((await findBase(sr, names.base)) !== undefined) {
      throw new SmError('VDIInUse', `the old volume of VDI ${target} cannot be removed`, { cause: error })
    }
    sr.context.log.warn(`the revert of VDI ${target} took effect although LVM reported ${String(error)}`)
  }
}
