import type { Request } from '../lib/smapi/Request.ts'
import { SmError } from '../lib/smapi/SmError.ts'

/** What xapi is told about a VDI after a command that makes or changes one; location and uuid are equal on all our SRs. */
export interface VdiInfo {
  readonly location: string
  readonly uuid: string
}

/** The answer to vdi_attach (spec smapi 7.13). */
export interface VdiAttachment {
  readonly params?: string
  readonly params_nbd: string
  readonly o_direct: boolean
  readonly o_direct_reason: string
  readonly xenstore_data: Readonly<Record<string, string>>
}

/**
 * One virtual disk as a driver sees it. Each protocol command is a method of its name; the default of every one
 * throws Unimplemented (38), so a driver offers exactly what it overrides.
 *
 * @throws SmError Unimplemented from every method not overridden
 */
export abstract class VDI {
  readonly uuid: string

  constructor(uuid: string) {
    this.uuid = uuid
  }

  /** Finds the data and reads what every command needs to know. Runs under the SR lock. */
  abstract load(): Promise<void>

  vdi_create(_request: Request): Promise<VdiInfo> {
    return unimplemented()
  }

  vdi_update(_request: Request): Promise<null> {
    return unimplemented()
  }

  vdi_delete(_request: Request): Promise<null> {
    return unimplemented()
  }

  vdi_snapshot(_request: Request): Promise<VdiInfo> {
    return unimplemented()
  }

  vdi_clone(_request: Request): Promise<VdiInfo> {
    return unimplemented()
  }

  /** Reverts the VDI named by `args[0]` to this one, its snapshot, in place (spec smapi 8). */
  vdi_revert(_request: Request): Promise<null> {
    return unimplemented()
  }

  vdi_resize(_request: Request): Promise<VdiInfo> {
    return unimplemented()
  }

  vdi_resize_online(_request: Request): Promise<VdiInfo> {
    return unimplemented()
  }

  vdi_attach(_request: Request): Promise<VdiAttachment> {
    return unimplemented()
  }

  vdi_detach(_request: Request): Promise<null> {
    return unimplemented()
  }

  vdi_activate(_request: Request): Promise<null> {
    return unimplemented()
  }

  vdi_deactivate(_request: Request): Promise<null> {
    return unimplemented()
  }

  vdi_attach_from_config(_request: Request): Promise<VdiAttachment> {
    return unimplemented()
  }

  vdi_detach_from_config(_request: Request): Promise<null> {
    return unimplemented()
  }

  vdi_generate_config(_request: Request): Promise<string> {
    return unimplemented()
  }

  vdi_compose(_request: Request): Promise<null> {
    return unimplemented()
  }

  vdi_epoch_begin(_request: Request): Promise<null> {
    return unimplemented()
  }

  vdi_epoch_end(_request: Request): Promise<null> {
    return unimplemented()
  }

  vdi_enable_cbt(_request: Request): Promise<null> {
    return unimplemented()
  }

  vdi_disable_cbt(_request: Request): Promise<null> {
    return unimplemented()
  }

  vdi_data_destroy(_request: Request): Promise<null> {
    return unimplemented()
  }

  vdi_list_changed_blocks(_request: Request): Promise<string> {
    return unimplemented()
  }
}

function unimplemented(): Promise<never> {
  return Promise.reject(new SmError('Unimplemented'))
}
