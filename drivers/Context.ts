import type { LockManager } from '../lib/lock/Lock.ts'
import type { Logger } from '../lib/os/log.ts'
import type { Paths } from '../lib/os/paths.ts'
import type { System } from '../lib/os/system.ts'
import type { Request } from '../lib/smapi/Request.ts'
import type { EmbeddedVhdUtil } from '../lib/vhd/EmbeddedVhdUtil.ts'
import type { VhdUtil } from '../lib/vhd/VhdUtil.ts'
import type { SmXapi } from '../lib/xapi/SmXapi.ts'
import type { GarbageCollector } from './gc.ts'

/** Where the images of an SR are: in a directory, or in the volumes of a volume group. */
export type VhdPlace = string | { readonly group: string }

/** What one plugin call works with. There are no globals: whatever a class needs is in here. */
export interface Context {
  readonly request: Request
  readonly system: System
  readonly paths: Paths
  readonly locks: LockManager
  readonly log: Logger
  readonly gc: GarbageCollector
  /** The XenAPI with the session of the request; throws APISession where the request carries none. */
  readonly xapi: SmXapi
  /** The VHD tool for images in a place; no parent outside it is ever opened. */
  vhdUtil(place: VhdPlace): Promise<VhdUtil>
  /** The in-process VHD code, for what no external tool can do. */
  embeddedVhd(place: VhdPlace): EmbeddedVhdUtil
}
