import type { System } from '../os/system.ts'
import { createDisk } from './create.ts'
import { type ByteRange, mergeRanges } from './DiskImage.ts'
import { asVhdError, vhdError } from './errors.ts'
import { DEFAULT_BLOCK_SIZE, roundToBlock } from './layout.ts'
import { VhdChain } from './VhdChain.ts'
import { VhdLeafWriter } from './VhdLeafWriter.ts'

/**
 * Makes a dynamic disk of the same virtual size that holds, read through the chain, the blocks that are allocated in
 * `source` itself: not a flattened chain (spec vhd 7.14). A copy that could not be finished is removed.
 * Throws EINVAL where `target` exists.
 */
export async function copyDisk(
  { files, newUuid, now }: Pick<System, 'files' | 'newUuid' | 'now'>,
  source: string,
  target: string,
): Promise<void> {
  if (await files.exists(target)) throw vhdError('EINVAL', `${target} exists`)
  const chain = await VhdChain.open(files, source)
  try {
    const size = chain.virtualSize
    const disk = { path: target, size, maxSize: roundToBlock(size), uuid: newUuid(), now: now() }
    await asVhdError(target, () => createDisk(files, disk))
    await copyBlocks(chain, await VhdLeafWriter.open(files, target))
  } catch (error) {
    await files.unlinkIfPresent(target)
    throw error
  } finally {
    await chain.close()
  }
}

async function copyBlocks(chain: VhdChain, writer: VhdLeafWriter): Promise<void> {
  try {
    for (const { offset, length } of ownRanges(chain)) {
      for (let at = offset; at < offset + length; at += DEFAULT_BLOCK_SIZE) {
        await writer.write(at, await chain.read(at, Math.min(DEFAULT_BLOCK_SIZE, offset + length - at)))
      }
    }
  } finally {
    await writer.close()
  }
}

function ownRanges({ leaf, virtualSize }: VhdChain): ByteRange[] {
  return leaf === undefined ? [{ offset: 0, length: virtualSize }] : mergeRanges([...leaf.ranges()], virtualSize)
}
