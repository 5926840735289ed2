import { SmError } from '../../../lib/smapi/SmError.ts'
import { inspectVhd } from '../../../lib/vhd/inspect.ts'
import type { RevertPlan } from '../../../lib/vhd/revert-plan.ts'
import type { Ref } from '../../../lib/xapi/XapiClient.ts'
import { dropContentId } from '../../revert/records.ts'
import type { FileFamilySR } from '../FileFamilySR.ts'
import { revertVhdName, vhdName } from '../layout.ts'
import { correctBase } from '../records.ts'
import { splitLeaf } from '../split.ts'
import { revertJournal, type RevertRecord } from './journal.ts'
import { outcomeOf } from './recovery.ts'

const SPLIT_POINTS = { baseCreated: 'FileSR_revert_create_insert', leafSwitched: 'FileSR_revert_create_src' }

/** A revert whose disks are paused and whose plan is final. `record` is what the journal says, and grows with it. */
export interface RevertWork {
  readonly sr: FileFamilySR
  readonly plan: RevertPlan
  readonly targetRef: Ref
  record: RevertRecord
}

/**
 * The disk part of a revert (spec file-sr 22.3 steps 7-12). Everything up to the last step only adds files or, in a
 * split, rewrites the snapshot's image without changing its content:
 * 1. journal `started`; 2. the backing node: split off the snapshot, or hidden if it is visible; 3. the target's new
 * image under a temporary name, durable and proven; 4. journal `prepared`; 5. content_id dropped;
 * 6. commit: rename over the target, fsync of the directory.
 */
export async function executeRevert(work: RevertWork): Promise<void> {
  const { sr } = work
  const journal = revertJournal(sr, work.record.target)
  await journal.write(work.record)
  await prepareBacking(work)
  const newTargetVhd = await buildTarget(work)
  sr.context.system.effects.point('FileSR_revert_create_dest')
  work.record = { ...work.record, state: 'prepared', newTargetVhd }
  await journal.write(work.record)
  await dropContentId(sr.context.xapi, work.targetRef)
  sr.context.system.effects.point('FileSR_revert_before_commit')
  await commit(sr, work.record)
}

async function prepareBacking({ sr, plan, record }: RevertWork): Promise<void> {
  const { base, oldSnapshotVhd: baseVhd, snapshot: leaf } = record
  if (base !== undefined && baseVhd !== undefined) {
    await splitLeaf(sr, { leaf, base, temporary: 'revert', baseVhd }, SPLIT_POINTS)
  } else if (plan.hideBacking) {
    await (await sr.vhdUtil()).setHidden(sr.file(vhdName(plan.backing)), true)
    await correctBase(sr, plan.backing)
  }
}

/** Builds the target's new image, an empty child of the backing node, and returns its footer uuid. */
async function buildTarget({ sr, plan, record }: RevertWork): Promise<string> {
  const temporary = sr.file(revertVhdName(record.target))
  const backing = record.base ?? plan.backing
  const tool = await sr.vhdUtil()
  // The snapshot is named as the parent: the tool skips empty nodes to the backing one, and the size is the snapshot's.
  await tool.snapshot(temporary, sr.file(vhdName(record.snapshot)))
  await tool.check(temporary)
  const image = await inspectVhd(sr.context.system.files, temporary)
  if (image.parentName !== vhdName(backing) || image.virtualSize !== plan.virtualSize || image.hidden) {
    const built = `an image of ${image.virtualSize} bytes on ${image.parentName ?? 'nothing'}`
    throw new SmError('VDISnapshot', `revert built ${built}`)
  }
  await sr.context.system.files.syncDirectory(sr.path)
  return image.uuid
}

/** The one step that changes what the target is. An error of it proves nothing: the image under the name does. */
async function commit(sr: FileFamilySR, record: RevertRecord): Promise<void> {
  const { files } = sr.context.system
  try {
    await files.rename(sr.file(revertVhdName(record.target)), sr.file(vhdName(record.target)))
    await files.syncDirectory(sr.path)
  } catch (error) {
    if ((await outcomeOf(sr, record)) !== 'committed') throw error
    sr.context.log.warn(`the revert of VDI ${record.target} took effect although the system reported ${String(error)}`)
  }
}
