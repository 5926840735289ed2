import type { Files } from '../os/files.ts'
import { type ByteRange, type DiskImage, joinStatus, mergeRanges, requireRange, type StatusRange } from './DiskImage.ts'
import { asVhdError, vhdError } from './errors.ts'
import { MAX_CHAIN_LENGTH, SECTOR_SIZE } from './layout.ts'
import { inParallel } from './parallel.ts'
import { canonicalPath, findParent, type Limit, type ParentRef, type Place } from './parents.ts'
import { RawLayer } from './RawLayer.ts'
import { openStorage } from './Storage.ts'
import { type Layer, readLayer, readWritableLayer, VhdLayer } from './VhdLayer.ts'
import { openVhd, type VhdImage } from './VhdImage.ts'

/** Parents outside the SR are refused with EACCES and never opened. */
export interface ChainOptions extends Limit {
  /** Open the leaf for writing. */
  readonly write?: boolean
}

/** Sectors `[first, end)` of the guest's disk. */
interface Sectors {
  readonly first: number
  readonly end: number
}

/** Sectors and the image that holds them; undefined where none does and they read as zeroes. */
export interface ChainRun extends Sectors {
  readonly source: { readonly layer: Layer; readonly position: number } | undefined
}

interface Located {
  readonly start: number
  readonly size: number
  readonly kind: StatusRange['kind']
}

/** Sectors looked up at a time: 64 MiB. */
const WINDOW = 128 * 1024

const PARALLEL_READS = 8

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
    const target = Buffer.allocUnsafe((end - first) * SECTOR_SIZE)
    await asVhdError(this.images[0] ?? '', async () => {
      for (const window of windows(first, end)) await this.#readWindow(target, first, window)
    })
    return target.subarray(position - first * SECTOR_SIZE, position - first * SECTOR_SIZE + length)
  }

  async *status(position: number, length: number): AsyncIterableIterator<StatusRange> {
    requireRange(this, position, length)
    yield* joinStatus(this.#statusOf({ offset: position, length }))
  }

  /**
   * Which image holds which of the sectors `[first, end)`, ascending and without gaps. A range of many blocks is better
   * asked for in parts: the answer has up to one run for every second sector.
   */
  async locate(first: number, end: number): Promise<ChainRun[]> {
    const found: ChainRun[] = []
    await this.#locate(0, { first, end }, found)
    return found
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

  async #locate(level: number, { first, end }: Sectors, found: ChainRun[]): Promise<void> {
    const layer = this.#layers[level]
    if (layer === undefined) {
      found.push({ first, end, source: undefined })
      return
    }
    for (const run of await layer.locate(first, end)) {
      if (run.position === undefined) await this.#locate(level + 1, run, found)
      else found.push({ first: run.first, end: run.end, source: { layer, position: run.position } })
    }
  }

  async #readWindow(target: Buffer, origin: number, { first, end }: Sectors): Promise<void> {
    await inParallel(await this.locate(first, end), PARALLEL_READS, async run => {
      const part = target.subarray((run.first - origin) * SECTOR_SIZE, (run.end - origin) * SECTOR_SIZE)
      if (run.source === undefined) part.fill(0)
      else await run.source.layer.readInto(part, run.source.position)
    })
  }

  async *#statusOf({ offset, length }: ByteRange): AsyncIterableIterator<StatusRange> {
    const stop = offset + length
    for (const { first, end } of windows(Math.floor(offset / SECTOR_SIZE), Math.ceil(stop / SECTOR_SIZE))) {
      for (const run of await this.locate(first, end)) {
        for (const { start, kind, size } of await statusOfRun(run)) {
          const from = Math.max(start, offset)
          const to = Math.min(start + size, stop)
          if (from < to) yield { offset: from, length: to - from, kind }
        }
      }
    }
  }
}

async function statusOfRun({ first, end, source }: ChainRun): Promise<Located[]> {
  const start = first * SECTOR_SIZE
  const length = (end - first) * SECTOR_SIZE
  if (source === undefined) return [{ start, size: length, kind: 'hole' }]
  const runs = await source.layer.storage.file.runs(source.position, length)
  return runs.map(run => ({
    start: start + run.position - source.position,
    size: run.length,
    kind: run.stored ? 'data' : 'zero',
  }))
}

/** Parts of `[first, end)` small enough to be looked up at once. */
function* windows(first: number, end: number): IterableIterator<Sectors> {
  for (let at = first; at < end; at += WINDOW) yield { first: at, end: Math.min(end, at + WINDOW) }
}

type OpenPlace = Place & { readonly write?: boolean }

/** Fills `layers` from the leaf up, so that the caller can close what was opened. Returns the leaf's size in whole sectors. */
async function openLayers(place: OpenPlace, leaf: string, layers: Layer[]): Promise<number> {
  const first = await openVhd(place.files, await canonicalPath(place, leaf), { write: place.write === true })
  let next = await addVhd(place, first, { layers, write: place.write === true })
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
    next = await addVhd(place, image, { layers, write: false })
    if (image.footer.uuid !== expected) throw vhdError('EINVAL', `${parent.path} is not the disk its child means`)
    expected = image.isDifferencing ? image.header.parentUuid : undefined
  }
  return Math.floor(first.virtualSize / SECTOR_SIZE) * SECTOR_SIZE
}

/** Adds an open image to the layers, or closes it; returns where its parent is. */
async function addVhd(
  place: Place,
  image: VhdImage,
  { layers, write }: { readonly layers: Layer[]; readonly write: boolean },
): Promise<ParentRef | undefined> {
  try {
    if (image.isFixed) layers.push(new RawLayer(image.storage, image.virtualSize))
    else layers.push(await (write ? readWritableLayer(image) : readLayer(image)))
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
