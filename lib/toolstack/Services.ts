import type { Logger } from '../os/log.ts'
import type { Paths } from '../os/paths.ts'
import type { System } from '../os/system.ts'
import type { Ref } from '../xapi/XapiClient.ts'
import type { Subscription } from './api/event-queue.ts'
import type { DiskCopier } from './disks/DiskCopier.ts'
import type { RevertOutlook, RevertQuestion } from './explain-revert.ts'
import type { HostPlugins } from './HostPlugins.ts'
import type { Operations } from './Operations.ts'
import type { Storage } from './storage/Storage.ts'
import type { Store } from './Store.ts'

/** Who may log in over TCP. */
export interface Credentials {
  readonly user: string
  readonly password: string
}

/** How far VMs, which are records only, go. */
export interface VmOptions {
  /** Whether starting a VM attaches its disks through their drivers; otherwise only the records say so. */
  readonly attachDisks: boolean
  /**
   * Whether `VM.revert` brings back disks that were deleted or detached since the snapshot. xapi fails for the former
   * and leaves the latter detached (spec toolstack 11.2).
   */
  readonly restoreMissingDisks: boolean
}

/** What the API's handlers work with. */
export interface Services {
  readonly system: System
  readonly paths: Paths
  readonly log: Logger
  readonly store: Store
  readonly operations: Operations
  readonly storage: Storage
  readonly copier: DiskCopier
  readonly hostPlugins: HostPlugins
  /** What sessions want to hear of by `event.next`. */
  readonly subscriptions: Map<Ref, Subscription>
  /** Resolves when every change so far is durable. */
  readonly save: () => Promise<void>
  readonly vmOptions: VmOptions
  /** Undefined where drivers cannot be asked. */
  readonly explainRevert: ((question: RevertQuestion) => Promise<RevertOutlook>) | undefined
  /** The one host of the pool. */
  readonly host: Ref
  readonly pool: Ref
  /** Without them nobody may log in over TCP. */
  readonly credentials: Credentials | undefined
  /** Aborted when the toolstack ends: nobody should wait any longer. */
  readonly closing: AbortSignal
}

/** A moment as XenAPI writes it, in UTC. */
export function xapiDate(milliseconds: number): string {
  return new Date(milliseconds)
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replaceAll('-', '')
}
