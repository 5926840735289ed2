import type { Files } from '../os/files.ts'
import { BlockWriter } from './BlockWriter.ts'
import { checkTables } from './checkWritable.ts'
import { vhdError } from './errors.ts'
import { SECTOR_SIZE } from './layout.ts'
import type { ParentRef } from './parents.ts'
import { rebuildBatmap } from './rebuildBatmap.ts'
import { openStorage, type Storage } from './Storage.ts'
import { openVhd, type VhdImage } from './VhdImage.ts'
import { readLayer } from './VhdLayer.ts'

/** Where coalesced sectors go. */
export interface CoalesceTarget {
  /** Writes whole sectors from `sector` on. Throws ERANGE past the end of a VHD. */
  write(sector: number, bytes: Buffer): Promise<void>
  /** Makes everything durable, writes tables and footers, closes. */
  close(): Promise<void>
}

/** Changes of tables that may wait for a flush. */
const MAX_PENDING = 64

/**
 * Opens the parent for writing, hidden or not; a batmap that an earlier run left half written is made good. Throws EINVAL for a
 * VHD of another uuid or with damaged tables.
 */
export async function openTarget(files: Files, parent: ParentRef, uuid: string): Promise<CoalesceTarget> {
  if (parent.raw) return new FlatTarget(await openStorage(files, parent.path, true), Infinity)
  const image = await openVhd(files, parent.path, { write: true })
  try {
    if (image.footer.uuid !== uuid) throw vhdError('EINVAL', `${parent.path} is not the disk its child means`)
    if (image.isFixed) return new FlatTarget(image.storage, image.virtualSize)
    await rebuildBatmap(image)
    const layer = await readLayer(image)
    checkTables(layer)
    return new BlockTarget(image, new BlockWriter(layer))
  } catch (error) {
    await image.close()
    throw error
  }
}

/** A raw image, which grows as far as its storage lets it, or the data of a fixed disk. */
class FlatTarget implements CoalesceTarget {
  readonly #storage: Storage
  readonly #size: number

  constructor(storage: Storage, size: number) {
    this.#storage = storage
    this.#size = size
  }

  async write(sector: number, bytes: Buffer): Promise<void> {
    requireRoom(this.#storage.path, sector * SECTOR_SIZE + bytes.length, this.#size)
    await this.#storage.write(bytes, sector * SECTOR_SIZE)
  }

  async close(): Promise<void> {
    await this.#storage.sync().finally(() => this.#storage.close())
  }
}

class BlockTarget implements CoalesceTarget {
  readonly #image: VhdImage
  readonly #writer: BlockWriter

  constructor(image: VhdImage, writer: BlockWriter) {
    this.#image = image
    this.#writer = writer
  }

  async write(sector: number, bytes: Buffer): Promise<void> {
    const size = Math.ceil(this.#image.virtualSize / SECTOR_SIZE) * SECTOR_SIZE
    requireRoom(this.#image.path, sector * SECTOR_SIZE + bytes.length, size)
    await this.#writer.write(sector, bytes)
    if (this.#writer.pending >= MAX_PENDING) await this.#writer.flush()
  }

  async close(): Promise<void> {
    await this.#writer.finish().finally(() => this.#image.close())
  }
}

function requireRoom(path: string, end: number, size: number): void {
  if (end > size) throw vhdError('ERANGE', `${path}: ${end} exceeds its ${size} bytes`)
}
