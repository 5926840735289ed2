import { correctTargetRecord, type RevertedDisks } from '../../revert/records.ts'
import type { FileFamilySR } from '../FileFamilySR.ts'
import { cbtLogName } from '../layout.ts'
import { correctBase, correctLeaf, fileSize, inspectDisk, parentUuidOf } from '../records.ts'

/**
 * Brings the records of a committed revert in line with the disk (spec smapi 8.4, file-sr 22.3 step 14): the target
 * follows the snapshot, the base it stands on is unmanaged, the snapshot knows its parent. Every item is tried,
 * idempotent and independent of the others. True where all worked; what did not is logged.
 * `quiesced`: the garbage collector is known not to run, so that its keys on the target are left over.
 */
export async function correctRecords(
  sr: FileFamilySR,
  disks: RevertedDisks,
  { quiesced }: { readonly quiesced: boolean },
): Promise<boolean> {
  const steps = [
    async () => {
      const base = parentUuidOf(await inspectDisk(sr, disks.target))
      if (base !== undefined) await correctBase(sr, base)
    },
    () => correctLeaf(sr, disks.snapshot),
    () => correctTarget(sr, disks, quiesced),
  ]
  let all = true
  for (const step of steps) {
    try {
      await step()
    } catch (error) {
      all = false
      sr.context.log.error(`a record of the reverted VDI ${disks.target} is left to the next scan: ${String(error)}`)
    }
  }
  return all
}

async function correctTarget(sr: FileFamilySR, disks: RevertedDisks, quiesced: boolean): Promise<void> {
  const [image, physicalUtilisation] = [await inspectDisk(sr, disks.target), await fileSize(sr, disks.target)]
  const isEmpty = image.allocatedBlocks === 0
  const { virtualSize } = image
  const hasChangeLog = await sr.context.system.files.exists(sr.file(cbtLogName(disks.target)))
  const target = { virtualSize, physicalUtilisation, parent: parentUuidOf(image), isEmpty, hasChangeLog }
  await correctTargetRecord(sr.context.xapi, disks, target, { quiesced })
}
