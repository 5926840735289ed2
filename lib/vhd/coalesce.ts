import type { Files } from '../os/files.ts'
import { openCoalesceTarget, type CoalesceTarget } from './CoalesceTarget.ts'
import { asVhdError, vhdError } from './errors.ts'
import { SECTOR_SIZE } from './layout.ts'
import { Pool } from './parallel.ts'
import { canonicalPath, findParent, type Limit, type Place } from './parents.ts'
import { copyPayload } from './Payload.ts'
import { readLayer, type VhdLayer } from './VhdLayer.ts'
import { usingVhd, type VhdImage } from './VhdImage.ts'

/** A parent outside the SR is refused with EACCES and never opened. */
export interface CoalesceOptions extends Limit {
  /** Told before each block of the child's table and once at the end, where both are equal. */
  readonly onProgress?: (doneBlocks: number, allBlocks: number) => void
  /** Ends the work at the next block; what was merged by then is durable, the rest is for another run. */
  readonly signal?: AbortSignal
}

/** Runs of sectors moved at a time: at most this many times 2 MiB are in memory. */
const PARALLEL_RUNS = 4

/** Changed bitmaps that may wait for a flush: those of 2 GiB. */
const MAX_PENDING = 1024

/**
 * Merges a differencing disk into its parent, a VHD or a raw image (spec vhd 7.8). The child stays as it is, and until it
 * is unlinked its guest's content is the same whenever this is interrupted; another run finishes the work. Returns how many
 * sectors the child holds, durable in the parent by then.
 *
 * Throws EINVAL for a disk without a parent, for a damaged one, and for a parent that is another disk than the child means;
 * ENOENT for a missing parent; ERANGE at the first sectors past the parent's end, all before them merged; ENOSPC;
 * the signal's reason once it is aborted.
 */
export async function coalesce(
  files: Files,
  child: string,
  options: CoalesceOptions = {},
): Promise<{ readonly sectors: number }> {
  const place: Place = { ...options, files }
  return asVhdError(child, async () =>
    usingVhd(files, await canonicalPath(place, child), {}, async image => {
      if (!image.isDifferencing) throw vhdError('EINVAL', `coalescing of non-differencing disks is not supported`)
      const target = await openParent(place, image)
      try {
        return { sectors: await mergeInto(target, await readLayer(image), options) }
      } finally {
        await target.close()
      }
    }),
  )
}

async function openParent(place: Place, image: VhdImage): Promise<CoalesceTarget> {
  const parent = await findParent(place, image)
  if (parent === undefined) throw vhdError('EINVAL', `${image.path} has no parent`)
  const [own, other] = [await place.files.identity(image.path), await place.files.identity(parent.path)]
  if (own.dev === other.dev && own.ino === other.ino) throw vhdError('ELOOP', `${image.path} is its own parent`)
  return openCoalesceTarget(place.files, parent, image.header.parentUuid)
}

/** Whatever ends the work, what was merged is made durable and the parent left whole. */
async function mergeInto(target: CoalesceTarget, child: VhdLayer, options: CoalesceOptions): Promise<number> {
  let sectors = 0
  try {
    sectors = await mergeBlocks(target, child, options)
  } catch (error) {
    // The first failure is the one to tell; whoever comes next finds the parent as after a crash.
    await target.finish().catch(() => undefined)
    throw error
  }
  await target.finish()
  options.onProgress?.(child.table.count, child.table.count)
  return sectors
}

async function mergeBlocks(
  target: CoalesceTarget,
  child: VhdLayer,
  { onProgress, signal }: CoalesceOptions,
): Promise<number> {
  const pool = new Pool(PARALLEL_RUNS)
  let sectors = 0
  try {
    for (let block = 0; block < child.table.count && !pool.failed; block++) {
      signal?.throwIfAborted()
      onProgress?.(block, child.table.count)
      if (child.table.get(block) === undefined) continue
      if (target.pending >= MAX_PENDING) {
        await pool.drain()
        await target.flush()
      }
      sectors += await mergeBlock(target, { child, block }, pool)
    }
  } finally {
    await pool.settle()
  }
  await pool.drain()
  return sectors
}

/** Starts the moves of one block in order; returns how many sectors it holds. */
async function mergeBlock(
  target: CoalesceTarget,
  { child, block }: { readonly child: VhdLayer; readonly block: number },
  pool: Pool,
): Promise<number> {
  let sectors = 0
  const start = block * child.sectorsPerBlock
  const stop = Math.min(start + child.sectorsPerBlock, child.sectors)
  for (const { first, end, position } of await child.locate(start, stop)) {
    if (position === undefined) continue
    if (end > target.sectors) throw vhdError('ERANGE', `${child.path}: sector ${end - 1} lies past the parent's end`)
    const payload = copyPayload(child.storage, position, (end - first) * SECTOR_SIZE)
    await pool.add(() => target.put(first, payload))
    sectors += end - first
  }
  return sectors
}
