import type { System } from '../os/system.ts'
import { createDisk, createFixedDisk } from './create.ts'
import { asVhdError } from './errors.ts'
import { endFooterOffset } from './footers.ts'
import { FOOTER_SIZE, roundToBlock } from './layout.ts'
import { dropData, readKeyHash, relink, repairFooters, setHiddenFlag, setPhysicalSize, writeKeyHash } from './modify.ts'
import { findParent, type Limit, type Place, walkChain } from './parents.ts'
import { scanDirectory } from './scan.ts'
import { createChildOf, snapshotVhd } from './snapshot.ts'
import { type OpenOptions, usingVhd, type VhdImage } from './VhdImage.ts'
import type {
  CreateOptions,
  FutureParent,
  SnapshotOptions,
  VhdInfo,
  VhdScanError,
  VhdScanRow,
  VhdUtil,
} from './VhdUtil.ts'

/** What the SR consists of: parents outside are refused with EACCES and never opened. */
export type EmbeddedOptions = Limit

/** The VHD tool in process, byte for byte what blktap's writes (spec vhd). Every changed image is synced before it is closed. */
export class EmbeddedVhdUtil implements VhdUtil {
  readonly #place: Place & Pick<System, 'newUuid' | 'now'>

  constructor(system: Pick<System, 'files' | 'newUuid' | 'now'>, options: EmbeddedOptions = {}) {
    this.#place = { files: system.files, newUuid: system.newUuid, now: system.now, ...options }
  }

  async create(path: string, virtualSize: number, options: CreateOptions = {}): Promise<void> {
    const { files, newUuid, now } = this.#place
    const maxSize = options.maxSize === undefined ? {} : { maxSize: roundToBlock(options.maxSize) }
    const disk = { path, size: roundToBlock(virtualSize), uuid: newUuid(), now: now(), ...maxSize }
    await asVhdError(path, () => (options.fixed === true ? createFixedDisk(files, disk) : createDisk(files, disk)))
  }

  async snapshot(child: string, parent: string, options: SnapshotOptions = {}): Promise<void> {
    await asVhdError(child, () => snapshotVhd(this.#place, child, parent, options))
  }

  async createChild(child: string, parent: FutureParent): Promise<void> {
    await asVhdError(child, () => createChildOf(this.#place, child, parent))
  }

  async info(path: string): Promise<VhdInfo> {
    return this.#read(path, { backupFooter: true }, async image => ({
      virtualSize: image.virtualSize,
      parent: (await findParent(this.#place, image))?.path,
      hidden: image.footer.hidden !== 0,
    }))
  }

  async virtualSize(path: string): Promise<number> {
    return this.#read(path, { allowPoisoned: true }, image => Promise.resolve(image.virtualSize))
  }

  async physicalSize(path: string): Promise<number> {
    return this.#read(path, { allowPoisoned: true }, async image => (await endOfImage(image)) + FOOTER_SIZE)
  }

  async setPhysicalSize(path: string, bytes: number): Promise<void> {
    await this.#change(path, image => setPhysicalSize(image, bytes))
  }

  async parent(path: string): Promise<string | undefined> {
    return this.#read(path, { allowPoisoned: true }, async image => (await findParent(this.#place, image))?.path)
  }

  async setParent(path: string, parent: string, options: { readonly parentRaw?: boolean } = {}): Promise<void> {
    await this.#change(path, image => relink(this.#place, image, { parent, raw: options.parentRaw === true }))
  }

  async depth(path: string): Promise<number> {
    const whole = (): Promise<boolean> => Promise.resolve(true)
    const chain = await asVhdError(path, () => walkChain(this.#place, path, { allowPoisoned: true }, whole))
    return chain.length
  }

  async hidden(path: string): Promise<boolean> {
    return this.#read(path, { allowPoisoned: true }, image => Promise.resolve(image.footer.hidden !== 0))
  }

  async setHidden(path: string, hidden: boolean): Promise<void> {
    await this.#change(path, image => setHiddenFlag(image, hidden))
  }

  async allocatedBlocks(path: string): Promise<number> {
    return this.#read(path, { allowPoisoned: true }, async image => (await image.readTable()).allocatedCount())
  }

  async hasParent(path: string): Promise<boolean> {
    return this.#read(path, { allowPoisoned: true }, image => Promise.resolve(image.isDifferencing))
  }

  async sizeLimit(path: string): Promise<number> {
    const { sizeLimitOf } = await import('./resize.ts')
    return this.#read(path, { backupFooter: true }, sizeLimitOf)
  }

  async resize(path: string, virtualSize: number, journal?: string): Promise<void> {
    const { growInPlace, resizeDisk } = await import('./resize.ts')
    if (journal === undefined) return this.#change(path, image => growInPlace(image, roundToBlock(virtualSize)))
    await asVhdError(path, () => resizeDisk(this.#place.files, path, virtualSize, { journal }))
  }

  async revertResize(path: string, journal: string): Promise<void> {
    const { revertResizeOf } = await import('./revertResize.ts')
    await asVhdError(path, () => revertResizeOf(this.#place.files, path, journal))
  }

  async check(path: string, options: { readonly allowMissingEndFooter?: boolean } = {}): Promise<void> {
    const { checkDisk } = await import('./check.ts')
    await asVhdError(path, () => checkDisk(this.#place, path, { ...options, now: this.#place.now() }))
  }

  async repair(path: string): Promise<void> {
    await this.#change(path, image => repairFooters(image, this.#place.newUuid))
  }

  async killData(path: string): Promise<void> {
    await this.#change(path, dropData)
  }

  async keyHash(path: string): Promise<string | undefined> {
    return this.#read(path, {}, readKeyHash)
  }

  async setKeyHash(path: string, hash: string, nonce?: string): Promise<void> {
    await this.#change(path, image => writeKeyHash(image, hash, nonce))
  }

  async scan(directory: string): Promise<(VhdScanRow | VhdScanError)[]> {
    return scanDirectory(this.#place.files, directory)
  }

  async #read<T>(path: string, options: OpenOptions, body: (image: VhdImage) => Promise<T>): Promise<T> {
    return asVhdError(path, () => usingVhd(this.#place.files, path, options, body))
  }

  async #change(path: string, body: (image: VhdImage) => Promise<void>): Promise<void> {
    await asVhdError(path, () => usingVhd(this.#place.files, path, { write: true }, body))
  }
}

/** End of data wherever the footer of a device lies: what the image needs at least (spec vhd 5). */
async function endOfImage(image: VhdImage): Promise<number> {
  if (image.isFixed) return endFooterOffset(image)
  return image.endOfData(await image.readTable(), await image.readBatmap())
}
