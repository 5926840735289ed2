import { encodeMethodCall } from '../../lib/smapi/xmlrpc.ts'
import type { Request } from '../../lib/smapi/Request.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import { attachmentOf } from '../attachment.ts'
import { LvhdVDI } from '../lvhd/LvhdVDI.ts'
import type { VdiAttachment } from '../VDI.ts'
import type { LunSR } from './LunSR.ts'

const ATTACH = 'vdi_attach_from_config'

/** A disk on a LUN: as any of an LVHD SR, and it can be attached while xapi is not there (spec iscsi-hba 8). */
export class LunVDI extends LvhdVDI {
  readonly #lun: LunSR

  constructor(sr: LunSR, uuid: string) {
    super(sr, uuid)
    this.#lun = sr
  }

  /** Before the LUN is there nothing of the disk can be read. */
  override async load(): Promise<void> {
    const { command } = this.#lun.context.request
    if (command !== ATTACH && command !== 'vdi_detach_from_config') await super.load()
  }

  /** The call that attaches this disk with xapi not there. @throws SmError VDIUnavailable */
  override async vdi_generate_config(_request: Request): Promise<string> {
    await this.requireVolume()
    const config = await this.#lun.offlineConfig()
    return encodeMethodCall(ATTACH, [
      { device_config: { ...config }, sr_uuid: this.#lun.uuid, vdi_uuid: this.uuid, command: ATTACH },
    ])
  }

  /** Nothing here asks xapi. @throws SmError SRUnavailable */
  override async vdi_attach_from_config(_request: Request): Promise<VdiAttachment> {
    try {
      await this.#lun.connect(this.#lun.uuid)
      const { openUnrecorded } = await import('../datapath/activateVdi.ts')
      await openUnrecorded(this, { writable: true, direct: true })
    } catch (error) {
      throw new SmError('SRUnavailable', 'Unable to attach the heartbeat disk', { cause: error })
    }
    return attachmentOf(this, 'LICENSE_RESTRICTION')
  }

  /** The connection of the SR stays: it is the SR's own. */
  override async vdi_detach_from_config(_request: Request): Promise<null> {
    const { closeHere } = await import('../datapath/deactivateVdi.ts')
    await closeHere(this)
    return null
  }
}
