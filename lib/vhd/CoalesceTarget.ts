import type { Files } from '../os/files.ts'
import { BlockWriter } from './BlockWriter.ts'
import { checkTables } from './checkWritable.ts'
import { vhdError } from './errors.ts'
import { SECTOR_SIZE } from './layout.ts'
import type { ParentRef } from './parents.ts'
import type { Payload } from './Payload.ts'
import { openStorage, type Storage } from './Storage.ts'
import { openVhd, type VhdImage } from './VhdImage.ts'
import { readWritableLayer } from './VhdLayer.ts'

/** The parent that a child is merged into. Positions are sectors of the guest's disk. */
export interface CoalesceTarget {
  /** Where the disk ends. */
  readonly sectors: number
  /** Changes of tables that wait for a flush. */
  readonly pending: number
  put(sector: number, payload: Payload): Promise<void>
  flush(): Promise<void>
  /** Makes everything durable and leaves a whole image. */
  finish(): Promise<void>
  close(): Promise<void>
}

/**
 * Opens a parent for merging, hidden or not. Throws EINVAL for a VHD that is damaged or has another uuid than `uuid`:
 * merging into a disk that the child does not mean would destroy it.
 */
export async function openCoalesceTarget(files: Files, parent: ParentRef, uuid: string): Promise<CoalesceTarget> {
  if (parent.raw) {
    const storage = await openStorage(files, parent.path, true)
    // A file grows with what is put behind its end; a device says ENOSPC.
    return flatTarget(storage, Number.MAX_SAFE_INTEGER)
  }
  const image = await openVhd(files, parent.path, { write: true })
  try {
    if (image.footer.uuid !== uuid) throw vhdError('EINVAL', `${parent.path} is not the disk its child means`)
    return image.isFixed ? flatTarget(image.storage, image.virtualSize / SECTOR_SIZE) : await blockTarget(image)
  } catch (error) {
    await image.close()
    throw error
  }
}

async function blockTarget(image: VhdImage): Promise<CoalesceTarget> {
  const layer = await readWritableLayer(image)
  checkTables(layer)
  const writer = new BlockWriter(layer)
  return {
    sectors: layer.sectors,
    get pending() {
      return writer.pending
    },
    put: (sector, payload) => writer.put(sector, payload),
    flush: () => writer.flush(),
    finish: () => writer.finish(),
    close: () => layer.close(),
  }
}

/** An image whose bytes are the guest's: there are no tables. */
function flatTarget(storage: Storage, sectors: number): CoalesceTarget {
  return {
    sectors: Math.floor(sectors),
    pending: 0,
    put: (sector, payload) => payload.put(storage, sector * SECTOR_SIZE),
    flush: () => storage.sync(),
    finish: () => storage.sync(),
    close: () => storage.close(),
  }
}
