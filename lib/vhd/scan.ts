import path from 'node:path'
import type { Files } from '../os/files.ts'
import { asVhdError } from './errors.ts'
import { readKeyHash } from './modify.ts'
import { inParallel } from './parallel.ts'
import { usingVhd } from './VhdImage.ts'
import { VhdError, type VhdScanError, type VhdScanRow } from './VhdUtil.ts'

/** Open files at a time. */
const PARALLEL = 32

/**
 * One row per name the shell pattern `*.vhd` matches in a directory, sorted (spec file-sr 4.2, vhd 7.13 `-f`).
 * A file that cannot be read is a row with its error; only a directory that cannot be listed throws.
 */
export async function scanDirectory(files: Files, directory: string): Promise<(VhdScanRow | VhdScanError)[]> {
  const entries = await asVhdError(directory, () => files.listKinds(directory))
  const vhds = entries.filter(({ name }) => isVhdName(name))
  const rows: (VhdScanRow | VhdScanError)[] = []
  await inParallel(vhds.entries(), PARALLEL, async ([index, entry]) => {
    rows[index] = await scanFile(files, directory, entry)
  })
  return rows
}

function isVhdName(name: string): boolean {
  return name.endsWith('.vhd') && !name.startsWith('.')
}

async function scanFile(
  files: Files,
  directory: string,
  { name, regular }: { readonly name: string; readonly regular: boolean },
): Promise<VhdScanRow | VhdScanError> {
  try {
    return await asVhdError(name, () => readRow(files, path.join(directory, name), regular))
  } catch (error) {
    if (error instanceof VhdError) return { name, error }
    throw error
  }
}

async function readRow(files: Files, file: string, regular: boolean): Promise<VhdScanRow> {
  const options = { backupFooter: true, allowPoisoned: true, allowTruncated: true, regular }
  return usingVhd(files, file, options, async image => ({
    name: path.basename(file),
    virtualSize: image.virtualSize,
    physicalSize: image.storage.size,
    hidden: image.footer.hidden !== 0,
    parentName: image.isDifferencing ? image.header.parentName : undefined,
    keyHash: await readKeyHash(image),
  }))
}
