import { SmError } from '../../../lib/smapi/SmError.ts'
import type { RevertPair } from '../../revert/target.ts'
import type { LvhdVDI } from '../LvhdVDI.ts'
import { undoClone } from '../recovery/undoClone.ts'
import { dropUnusedBase, makeBranch, type Made } from '../snapshot/branch.ts'
import { otherHostsOf, type Branch } from '../snapshot/makeLeaves.ts'
import { branchSizes } from '../snapshot/sizes.ts'
import type { GatheredFacts } from './facts.ts'
import { proveImages } from './proveImages.ts'

const POINTS = { baseMade: 'LVM_revert_create_insert', leafMade: 'LVM_revert_create_src' }

/**
 * Turns a paused snapshot that holds data of its own into an empty leaf on a new base copy: a single snapshot of the
 * snapshot, with a journal and a commit of its own (spec lvhd 30 step 5). Its content never changes. An image that is not
 * sound is left as it is. Taken back where it fails.
 * @throws SmError VDIUnavailable, VDISnapshot; LvmError, VhdError, XapiError
 */
export async function splitSnapshot(pair: RevertPair<LvhdVDI>, gathered: GatheredFacts): Promise<void> {
  const { sr, uuid } = pair.snapshot
  const [disk] = gathered.chain
  if (disk === undefined) throw new SmError('VDIUnavailable', `VDI ${uuid} not found`)
  await sr.activator.hold(gathered.chain.map(node => ({ uuid: node.uuid, volume: node.volume.name })))
  await proveImages(sr, [disk])
  const sizes = branchSizes({
    command: 'vdi_snapshot',
    makesLeaf: false,
    allocation: await sr.allocation(),
    type: disk.type,
    virtualSize: disk.virtualSize,
    volumeSize: disk.volume.size,
    physicalSize: gathered.snapshotPhysical,
    isASnapshot: true,
    isAttached: gathered.facts.snapshot.isWritten,
  })
  const branch: Branch = {
    sr,
    disk: uuid,
    type: disk.type,
    base: sr.context.system.newUuid(),
    newLeaf: undefined,
    sizes,
    otherHosts: otherHostsOf(sr, gathered.snapshotRecord.sm_config),
    points: POINTS,
  }
  await dropQuietly(await branchOrTakeBack(branch, pair))
}

async function branchOrTakeBack(branch: Branch, pair: RevertPair<LvhdVDI>): Promise<Made> {
  const { sr, disk, base, newLeaf } = branch
  try {
    return await makeBranch(branch, pair.snapshotRef, true)
  } catch (error) {
    sr.context.log.error(`splitting snapshot ${disk} failed, taking it back: ${String(error)}`)
    sr.group.forget()
    if (await sr.journals.has(disk)) {
      await undoClone(sr, { disk, base, newLeaf })
      await sr.journals.remove('clone', disk)
    }
    throw error
  }
}

/** The split is committed: an unused base that stays is the collector's. */
async function dropQuietly(made: Made): Promise<void> {
  const { sr, disk, base } = made.branch
  try {
    await dropUnusedBase(made)
  } catch (error) {
    sr.group.forget()
    sr.context.log.error(`snapshot ${disk} is split; its unused base ${base} stays: ${String(error)}`)
  }
}
