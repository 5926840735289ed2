import type { CommandName } from '../lib/smapi/commands.ts'
import type { Request } from '../lib/smapi/Request.ts'
import { SmError } from '../lib/smapi/SmError.ts'
import type { RevertDecision } from '../lib/vhd/revert-plan.ts'
import type { Ref } from '../lib/xapi/XapiClient.ts'
import { attachWithScan } from './attach.ts'
import type { Context } from './Context.ts'
import type { VDI, VdiInfo } from './VDI.ts'

/** What a revert would do, what stands in its way, and how many images the target's chain has now. */
export type RevertExplanation = RevertDecision & { readonly depthBefore: number }

/**
 * One storage repository. Each protocol command is a method of its name; the default of every one throws
 * Unimplemented (38).
 *
 * @throws SmError Unimplemented from every method not overridden
 */
export abstract class SR {
  readonly context: Context
  readonly uuid: string

  constructor(context: Context) {
    this.context = context
    this.uuid = context.request.srUuid
  }

  /** Commands that hold the SR lock from before the VDI is loaded until they end (spec smapi 6). */
  abstract readonly exclusiveCommands: ReadonlySet<CommandName>

  /** Whether a VDI command that is not exclusive loads its VDI under the SR lock. */
  readonly locksVdiLoad: boolean = false

  /** Checks the configuration; runs before any lock is taken. Makes no change. */
  abstract load(): Promise<void>

  /** Finishes or undoes what an interrupted command left behind. Runs under the SR lock, before the VDI is loaded, on the SR master. */
  abstract recover(): Promise<void>

  /** Whether `recover` has to run before this command. */
  abstract recoversBefore(command: CommandName): boolean

  /** Refuses a command that must run on the SR master where this host is not it. */
  abstract refuseOnSlave(command: CommandName): void

  /** Refuses a command on a VDI whose interrupted operation is still to be finished. Runs after recovery. */
  abstract refusePending(command: CommandName): Promise<void>

  /** Uuids of the VDIs with an interrupted operation that is still to be finished. */
  abstract pendingVdis(): Promise<ReadonlySet<string>>

  /** The VDI object of this SR for a uuid; nothing is read yet. */
  abstract vdi(uuid: string): VDI

  /**
   * What a vdi_revert to the snapshot would do, without changing anything.
   * @throws SmError SRUnavailable, and those of vdi_revert that concern its arguments
   */
  abstract explainRevert(snapshotUuid: string, request: Request): Promise<RevertExplanation>

  /** Makes the storage accessible on this host; the part of sr_attach that differs by driver. */
  abstract attach(): Promise<void>

  /** Brings records and storage in line; the part of sr_scan that differs by driver. */
  abstract scan(): Promise<void>

  /** Reference of the SR's record. */
  async srRef(): Promise<Ref> {
    return this.context.request.srRef ?? (await this.context.xapi.srGetByUuid(this.uuid))
  }

  /** Runs after the lock is released, whether the command worked or not. */
  cleanup(): Promise<void> {
    return Promise.resolve()
  }

  sr_create(_request: Request): Promise<null> {
    return unimplemented()
  }

  sr_delete(_request: Request): Promise<null> {
    return unimplemented()
  }

  async sr_attach(_request: Request): Promise<null> {
    await attachWithScan(this)
    return null
  }

  sr_detach(_request: Request): Promise<null> {
    return unimplemented()
  }

  sr_scan(_request: Request): Promise<null> {
    return unimplemented()
  }

  sr_update(_request: Request): Promise<null> {
    return unimplemented()
  }

  sr_probe(_request: Request): Promise<string> {
    return unimplemented()
  }

  sr_content_type(_request: Request): Promise<string> {
    return unimplemented()
  }

  vdi_introduce(_request: Request): Promise<VdiInfo> {
    return unimplemented()
  }
}

function unimplemented(): Promise<never> {
  return Promise.reject(new SmError('Unimplemented'))
}
