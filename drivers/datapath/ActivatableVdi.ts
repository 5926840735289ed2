import type { ImageType } from '../../lib/datapath/openDisk.ts'
import type { SR } from '../SR.ts'

/** The image of a VDI as this host can open it now. */
export interface LocalImage {
  readonly path: string
  readonly type: ImageType
  /** The directory of the SR or of the volume group: no parent outside it is opened. */
  readonly boundary: string
}

/** A VDI that can be made active on this host: what the datapath asks of a driver (spec datapath 4). */
export interface ActivatableVdi {
  readonly uuid: string
  readonly sr: SR
  /** Makes the image and its chain accessible on this host, all or nothing, with its name, size and type read afresh. */
  attachImage(writable: boolean): Promise<LocalImage>
  /** The opposite of `attachImage`. */
  detachImage(): Promise<void>
}
