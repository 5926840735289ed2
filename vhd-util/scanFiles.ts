import type { Files } from '../lib/os/files.ts'
import { readMarker } from '../lib/vhd/marker.ts'
import { readKeyHash } from '../lib/vhd/modify.ts'
import { canonicalPath, findParent, firstLocatorText } from '../lib/vhd/parents.ts'
import { openStorage } from '../lib/vhd/Storage.ts'
import { ZERO_UUID } from '../lib/vhd/uuid.ts'
import { openVhd, type VhdImage } from '../lib/vhd/VhdImage.ts'
import { VhdError } from '../lib/vhd/VhdUtil.ts'
import { errnoOf } from './failure.ts'
import {
  isFailure,
  orFailure,
  type ScanFailure,
  type ScanParent,
  type ScanRow,
  type ScanSource,
  type ScanTarget,
  step,
  UNSCANNABLE,
} from './scanRow.ts'

const ENOENT = 2

export interface FileScanOptions {
  /** Footer copy and header only; parents by the header's name. */
  readonly fast: boolean
  readonly markers: boolean
}

/** Scans files, and block devices by their paths (spec vhd 7.13). */
export class FileSource implements ScanSource {
  readonly #files: Files
  readonly #options: FileScanOptions

  constructor(files: Files, options: FileScanOptions) {
    this.#files = files
    this.#options = options
  }

  async read(target: ScanTarget): Promise<ScanRow | ScanFailure> {
    const result = await orFailure(target, target.raw ? this.#readRaw(target) : this.#readVhd(target))
    return isFailure(result) && result.errno === ENOENT ? { ...result, message: UNSCANNABLE } : result
  }

  async missing(target: ScanTarget): Promise<number | undefined> {
    try {
      await this.#files.stat(target.key)
      return undefined
    } catch (error) {
      return errnoOf(error)
    }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  async #readRaw(target: ScanTarget): Promise<ScanRow> {
    const storage = await step('opening file', openStorage(this.#files, target.key, false))
    await storage.close()
    return { target, capacity: storage.size, size: storage.size, hidden: 1 }
  }

  async #readVhd(target: ScanTarget): Promise<ScanRow> {
    const { fast, markers } = this.#options
    const opening = openVhd(this.#files, target.key, { backupFooter: fast, allowPoisoned: true, allowTruncated: true })
    const image = await step('opening file', opening)
    try {
      const parent = image.isDifferencing ? await step('getting parent', this.#parent(image)) : undefined
      return {
        target,
        ...facts(image),
        ...(markers ? { marker: await step('checking markers', markerOf(image)) } : {}),
        ...(parent === undefined ? {} : { parent }),
      }
    } finally {
      await image.close()
    }
  }

  async #parent(image: VhdImage): Promise<ScanParent> {
    const raw = image.header.parentUuid === ZERO_UUID
    if (this.#options.fast) {
      const name = image.header.parentName
      return { name, target: { name, key: name, raw } }
    }
    try {
      const found = await findParent({ files: this.#files }, image)
      if (found !== undefined) return { name: found.path, target: { name: found.path, key: found.path, raw } }
    } catch (error) {
      if (!(error instanceof VhdError) || error.code !== 'ENOENT') throw error
    }
    return { name: await firstLocatorText(image) }
  }
}

/** A file to scan. In a full scan its key is the path by which its children would find it. */
export async function fileTarget(
  files: Files,
  name: string,
  options: { full: boolean; tree: boolean },
): Promise<ScanTarget> {
  if (!options.full) return { name, key: name, raw: false }
  const key = await canonicalPath({ files }, name).catch((error: unknown) => {
    errnoOf(error)
    return name
  })
  return { name: options.tree ? key : name, key, raw: false }
}

export function facts(image: VhdImage): Pick<ScanRow, 'capacity' | 'size' | 'hidden'> {
  return { capacity: image.virtualSize, size: image.storage.size, hidden: image.footer.hidden }
}

export async function markerOf(image: VhdImage): Promise<{ value: number; keyHash: string }> {
  return { value: await readMarker(image), keyHash: (await readKeyHash(image)) ?? '' }
}
