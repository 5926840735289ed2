import type { ImageType } from './openDisk.ts'
import type { Limit } from '../vhd/parents.ts'

/** A disk to be made active on this host. */
export interface ActiveDisk {
  readonly srUuid: string
  readonly vdiUuid: string
  /** The image: a file or a block device. */
  readonly path: string
  readonly type: ImageType
  readonly readOnly: boolean
  /** The directory or the volume group of the SR: no parent outside it is opened. */
  readonly limit: Limit
  /** Whether reads and writes go past the host's cache. */
  readonly direct: boolean
  /** Whether every write is durable before it is answered. */
  readonly writeThrough: boolean
}

/** What a paused disk is resumed with. */
export interface Resumption {
  readonly path: string
  readonly type: ImageType
  /** An NBD mirror to attach. */
  readonly secondary?: string
}

/** What serves a disk, and how it is. */
export interface Serving {
  readonly path: string
  readonly isPaused: boolean
  /** Connections, where that is known. */
  readonly clients?: number
}

/**
 * What serves active disks on this host. `socket` is where its NBD server listens: what `open` returned, and what the
 * link of an active VDI points to.
 */
export interface Datapath {
  /** Throws SmError TapdiskAlreadyRunning where the image is served already, TapdiskFailed. Nothing is left behind then. */
  open(disk: ActiveDisk): Promise<string>
  /** Makes everything durable and ends. Nothing is done where nobody serves any more. Throws SmError TapdiskFailed. */
  close(socket: string): Promise<void>
  /** Closes the image under its clients, who wait. Throws SmError TapdiskFailed, also where it does not run. */
  pause(socket: string): Promise<void>
  /** Opens the chain anew and lets the clients go on. Throws SmError TapdiskFailed: the disk stays paused. */
  unpause(socket: string, resumption: Resumption): Promise<void>
  /** Undefined where nobody serves any more. */
  serving(socket: string): Promise<Serving | undefined>
  /** The socket of what serves a VDI that no link leads to, as a crash leaves it; undefined where there is none. */
  unlinkedSocket(srUuid: string, vdiUuid: string): Promise<string | undefined>
  /** Ends what serves a disk of an SR but is known to no VDI, as a crash leaves it; `known` are the sockets of active VDIs. */
  closeOrphans(srUuid: string, known: ReadonlySet<string>): Promise<void>
}
