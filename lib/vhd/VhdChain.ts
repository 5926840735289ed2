import type { Files } from '../os/files.ts'
import { type ByteRange, type DiskImage, mergeRanges, requireRange } from './DiskImage.ts'
import { asVhdError, vhdError } from './errors.ts'
import { MAX_CHAIN_LENGTH, SECTOR_SIZE } from './layout.ts'
import { canonicalPath, findParent, type ParentRef, type Place } from './parents.ts'
import { RawLayer } from './RawLayer.ts'
import { openStorage } from './Storage.ts'
import { type Layer, readLayer, VhdLayer } from './VhdLayer.ts'
import { openVhd, type VhdImage } from './VhdImage.ts'

export interface ChainOptions {
  /** The SR directory: parents outside it are refused with EACCES and never opened. */
  readonly boundary?: string
  /** Open the leaf for writing. */
  readonly write?: boolean
}

/** A disk read through all its images, per sector: the image nearest to the leaf that has it decides (spec vhd 2.7, 4). */
export class VhdChain implements DiskImage {
  readonly virtualSize: number
  readonly #layers: readonly Layer[]

  constructor(layers: readonly Layer[], virtualSize: number) {
    this.#layers = layers
    this.virtualSize = virtualSize
  }

  /**
   * Opens an image and all its ancestors. Throws ENOENT for a missing parent, EINVAL for one that is another disk than
   * the child means, EACCES for one outside the boundary, ELOOP for a chain that does not end.
   */
  static async open(files: Files, path: string, options: ChainOptions = {}): Promise<VhdChain> {
    return asVhdError(path, async () => {
      const layers: Layer[] = []
      try {
        const virtualSize = await openLayers({ ...options, files }, path, layers)
        return new VhdChain(layers, virtualSize)
      } catch (error) {
        await closeAll(layers)
        throw error
      }
    })
  }

  get images(): readonly string[] {
    return this.#layers.map(({ path }) => path)
  }

  /** The leaf's tables, undefined where the leaf is a fixed disk. */
  get leaf(): VhdLayer | undefined {
    const [leaf] = this.#layers
    return leaf instanceof VhdLayer ? leaf : undefined
  }

  async read(position: number, length: number): Promise<Buffer> {
    requireRange(this, position, length)
    const first = Math.floor(position / SECTOR_SIZE)
    const end = Math.ceil((position + length) / SECTOR_SIZE)
    const target = Buffer.alloc((end - first) * SECTOR_SIZE)
    await asVhdError(this.images[0] ?? '', () => this.#fill(0, target, first))
    return target.subarray(position - first * SECTOR_SIZE, position - first * SECTOR_SIZE + length)
  }

  /** Whole blocks that hold data in any image, cut at the end of the disk. */
  allocatedRanges(): ByteRange[] {
    return mergeRanges(
      this.#layers.flatMap(layer => [...layer.ranges()]),
      this.virtualSize,
    )
  }

  async close(): Promise<void> {
    await closeAll(this.#layers)
  }

  async #fill(level: number, target: Buffer, sector: number): Promise<void> {
    await this.#layers[level]?.fill(target, sector, (part, from) => this.#fill(level + 1, part, from))
  }
}

type OpenPlace = Place & { readonly write?: boolean }

/** Fills `layers` from the leaf up, so that the caller can close what was opened. Returns the leaf's size in whole sectors. */
async function openLayers(place: OpenPlace, leaf: string, layers: Layer[]): Promise<number> {
  const first = await openVhd(place.files, await canonicalPath(place, leaf), { write: place.write === true })
  let next = await addVhd(place, first, layers)
  let expected = first.isDifferencing ? first.header.parentUuid : undefined
  while (next !== undefined) {
    const parent: ParentRef = next
    requireNewAncestor(layers, parent.path)
    if (parent.raw) {
      const storage = await openStorage(place.files, parent.path, false)
      layers.push(new RawLayer(storage, storage.size))
      break
    }
    const image = await openVhd(place.files, parent.path)
    next = await addVhd(place, image, layers)
    if (image.footer.uuid !== expected) throw vhdError('EINVAL', `${parent.path} is not the disk its child means`)
    expected = image.isDifferencing ? image.header.parentUuid : undefined
  }
  return Math.floor(first.virtualSize / SECTOR_SIZE) * SECTOR_SIZE
}

/** Adds an open image to the layers, or closes it; returns where its parent is. */
async function addVhd(place: Place, image: VhdImage, layers: Layer[]): Promise<ParentRef | undefined> {
  try {
    layers.push(image.isFixed ? new RawLayer(image.storage, image.virtualSize) : await readLayer(image))
  } catch (error) {
    await image.close()
    throw error
  }
  return findParent(place, image)
}

function requireNewAncestor(layers: readonly Layer[], path: string): void {
  if (layers.length === MAX_CHAIN_LENGTH) throw vhdError('ELOOP', `${path}: chain longer than ${MAX_CHAIN_LENGTH}`)
  if (layers.some(layer => layer.path === path)) throw vhdError('ELOOP', `${path} is its own ancestor`)
}

async function closeAll(layers: readonly Layer[]): Promise<void> {
  await Promise.all(layers.map(layer => layer.close()))
}
