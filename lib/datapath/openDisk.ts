import type { Files } from '../os/files.ts'
import { openRaw } from '../vhd/RawImage.ts'
import { openFixedOrChain } from '../vhd/openImage.ts'
import { VhdChain } from '../vhd/VhdChain.ts'
import type { OpenedDisk } from './nbd/Export.ts'

/** How an image is to be read: `vhd` with its whole chain, `aio` as it is (spec datapath 1). */
export type ImageType = 'vhd' | 'aio'

export interface DiskPlace {
  readonly path: string
  readonly type: ImageType
  readonly readOnly: boolean
  /** The directory of the SR or the volume group: no parent outside it is opened. */
  readonly boundary: string
  /** Make every write durable before it is answered, for clients that never flush. */
  readonly writeThrough: boolean
}

/** Opens a disk for serving; parents are never written. Throws as `openImage`. */
export async function openDisk(files: Files, place: DiskPlace): Promise<OpenedDisk> {
  const { path, type, boundary, writeThrough } = place
  if (place.readOnly) {
    const image = type === 'aio' ? await openRaw(files, path, false) : await VhdChain.open(files, path, { boundary })
    return { readOnly: true, image }
  }
  if (type === 'aio') return { readOnly: false, image: await openRaw(files, path, true) }
  return { readOnly: false, image: await openFixedOrChain(files, path, { boundary, writeThrough }) }
}
