import type { Files } from '../os/files.ts'
import { asVhdError, vhdError } from './errors.ts'
import { type CoalesceTarget, openTarget } from './CoalesceTarget.ts'
import { SECTOR_SIZE } from './layout.ts'
import { findParent, type ParentRef, type Place } from './parents.ts'
import { bitRuns } from './SectorBitmap.ts'
import { usingVhd, type VhdImage } from './VhdImage.ts'
import { type VhdLayer, readLayer } from './VhdLayer.ts'

export interface CoalesceOptions {
  /** The SR directory: a parent outside it is refused with EACCES and never opened. */
  readonly boundary?: string
  /** Told before each block of the child's table and once at the end, where both are equal. */
  readonly onProgress?: (doneBlocks: number, allBlocks: number) => void
  /** Ends the work early, with the parent's tables and footers written. The same call finishes the work later. */
  readonly signal?: AbortSignal
}

/**
 * Writes what `child` holds into its immediate parent, VHD or raw (spec vhd 7.8); the child does not change. Durable when
 * this returns. Interrupted at any point and repeated it gives the same content. Returns the sectors written.
 * Throws EINVAL for a disk without a parent, a damaged one, or a parent that is another disk than the child means;
 * ENOENT for a missing parent; ERANGE where data lies past the parent's end; the signal's reason.
 */
export async function coalesce(
  files: Files,
  child: string,
  options: CoalesceOptions = {},
): Promise<{ sectors: number }> {
  const { boundary } = options
  const place = { files, ...(boundary === undefined ? {} : { boundary }) }
  return asVhdError(child, () => usingVhd(files, child, {}, image => mergeImage(place, image, options)))
}

async function mergeImage(place: Place, child: VhdImage, options: CoalesceOptions): Promise<{ sectors: number }> {
  const parent = await findParent(place, child)
  if (parent === undefined) throw vhdError('EINVAL', `${child.path} has no parent`)
  await requireOther(place, child, parent)
  const layer = await readLayer(child)
  if (child.footer.hasBatmap && layer.batmap === undefined) throw vhdError('EINVAL', `${child.path}: invalid batmap`)
  const target = await openTarget(place.files, parent, child.header.parentUuid)
  return mergeBlocks(layer, target, options).finally(() => target.close())
}

/** No disk is merged into itself. */
async function requireOther({ files }: Place, child: VhdImage, parent: ParentRef): Promise<void> {
  const [a, b] = await Promise.all([files.identity(child.path), files.identity(parent.path)])
  if (a.dev === b.dev && a.ino === b.ino) throw vhdError('ELOOP', `${child.path} is its own parent`)
}

async function mergeBlocks(
  layer: VhdLayer,
  target: CoalesceTarget,
  { onProgress, signal }: CoalesceOptions,
): Promise<{ sectors: number }> {
  const { count } = layer.table
  let sectors = 0
  for (let block = 0; block < count; block++) {
    signal?.throwIfAborted()
    onProgress?.(block, count)
    if (layer.table.get(block) !== undefined) sectors += await mergeBlock(layer, block, target)
  }
  onProgress?.(count, count)
  return { sectors }
}

/** One write per run of sectors that the block holds; returns their number. */
async function mergeBlock(layer: VhdLayer, block: number, target: CoalesceTarget): Promise<number> {
  const start = block * layer.sectorsPerBlock
  const end = Math.min(layer.sectorsPerBlock, Math.ceil(layer.image.virtualSize / SECTOR_SIZE) - start)
  const full = layer.batmap?.isFull(block) === true
  const runs = full ? [{ present: true, first: 0, end }] : bitRuns(await layer.bitmap(block), 0, end)
  let sectors = 0
  for (const run of runs) {
    if (!run.present) continue
    const length = (run.end - run.first) * SECTOR_SIZE
    const bytes = await layer.image.storage.read(layer.dataOffset(block) + run.first * SECTOR_SIZE, length)
    await target.write(start + run.first, bytes)
    sectors += run.end - run.first
  }
  return sectors
}
