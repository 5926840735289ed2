import path from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { Files } from '../os/files.ts'
import { asVhdError } from './errors.ts'
import { readKeyHash } from './modify.ts'
import { inParallel } from './parallel.ts'
import { usingVhd } from './VhdImage.ts'
import { VhdError, type VhdScanError, type VhdScanRow } from './VhdUtil.ts'

/** Open files at a time. */
const PARALLEL = 32

/** Milliseconds within which files that are in memory are read, whatever else the machine does: once, and for each. */
const AT_HAND = { once: 100, each: 0.25 }

/** Milliseconds after which others get their turn. */
const TURN = 5

interface Entry {
  readonly name: string
  readonly regular: boolean
}

/**
 * One row per name the shell pattern `*.vhd` matches in a directory, sorted (spec file-sr 4.2, vhd 7.13 `-f`).
 * A file that cannot be read is a row with its error; only a directory that cannot be listed throws.
 */
export async function scanDirectory(files: Files, directory: string): Promise<(VhdScanRow | VhdScanError)[]> {
  const entries = await asVhdError(directory, () => files.listKinds(directory))
  const vhds = entries.filter(({ name }) => isVhdName(name))
  const rows = await scanAtHand(files, directory, vhds)
  await inParallel([...vhds.entries()].slice(rows.length), PARALLEL, async ([index, entry]) => {
    rows[index] = await scanFile(files, { directory, entry, immediate: false })
  })
  return rows
}

function isVhdName(name: string): boolean {
  return name.endsWith('.vhd') && !name.startsWith('.')
}

/**
 * One file after the other as long as they are quick: what is in memory is read sooner than another thread is woken.
 * Ends at the first files that a disk or a server has to be asked for: those are better asked for together.
 */
async function scanAtHand(
  files: Files,
  directory: string,
  entries: readonly Entry[],
): Promise<(VhdScanRow | VhdScanError)[]> {
  const rows: (VhdScanRow | VhdScanError)[] = []
  const started = performance.now()
  let turn = started
  for (const entry of entries) {
    rows.push(await scanFile(files, { directory, entry, immediate: true }))
    const now = performance.now()
    if (now - started > AT_HAND.once + AT_HAND.each * rows.length) break
    if (now - turn < TURN) continue
    await setImmediate()
    turn = performance.now()
  }
  return rows
}

interface Found {
  readonly directory: string
  readonly entry: Entry
  readonly immediate: boolean
}

async function scanFile(files: Files, { directory, entry, immediate }: Found): Promise<VhdScanRow | VhdScanError> {
  const { name } = entry
  const regular = entry.regular ? { regular: { immediate } } : {}
  try {
    return await asVhdError(name, () => readRow(files, path.join(directory, name), regular))
  } catch (error) {
    if (error instanceof VhdError) return { name, error }
    throw error
  }
}

async function readRow(
  files: Files,
  file: string,
  regular: { readonly regular?: { readonly immediate: boolean } },
): Promise<VhdScanRow> {
  const options = { backupFooter: true, allowPoisoned: true, allowTruncated: true, ...regular }
  return usingVhd(files, file, options, async image => ({
    name: path.basename(file),
    virtualSize: image.virtualSize,
    physicalSize: image.storage.size,
    hidden: image.footer.hidden !== 0,
    parentName: image.isDifferencing ? image.header.parentName : undefined,
    keyHash: await readKeyHash(image),
  }))
}
