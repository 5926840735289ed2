import type { ImageType } from '../../lib/datapath/openDisk.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import type { Limit } from '../../lib/vhd/parents.ts'
import type { SR } from '../SR.ts'

/** The image of a VDI as this host can open it now. */
export interface LocalImage {
  readonly path: string
  readonly type: ImageType
  /** The directory or the volume group of the SR: no parent outside it is opened. */
  readonly limit: Limit
}

/** What would make a VDI accessible is busy with something else, as its SR with a long scan: it is worth trying again. */
export class HeldUpError extends SmError {
  /** By which it is known when it comes from another host's plugin. */
  static readonly kind = 'HeldUpError'

  constructor(detail: string) {
    super('VDIUnavailable', detail)
    this.name = HeldUpError.kind
  }
}

/** A VDI that can be made active on this host: what the datapath asks of a driver (spec datapath 4). */
export interface ActivatableVdi {
  readonly uuid: string
  readonly sr: SR
  /**
   * Makes the image and its chain accessible on this host, all or nothing, with its name, size and type read afresh.
   * @throws HeldUpError where that may work later
   */
  attachImage(writable: boolean): Promise<LocalImage>
  /** The opposite of `attachImage`. */
  detachImage(): Promise<void>
}
