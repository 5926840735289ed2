import { attachmentOf } from '../attachment.ts'
import type { VdiAttachment } from '../VDI.ts'
import type { FileVDI } from './FileVDI.ts'

/**
 * vdi_attach: where the disk will be once it is activated. Nothing is opened yet (spec smapi 7.13, observed-behaviour 4.2).
 * @throws SmError VDIUnavailable
 */
export async function attachedDevice(vdi: FileVDI): Promise<VdiAttachment> {
  return attachmentOf(vdi, await directReason(vdi))
}

/** vdi_attach_from_config: the same, with xapi not there to ask (spec datapath 2). */
export function attachedOffline(vdi: FileVDI): VdiAttachment {
  return attachmentOf(vdi, 'LICENSE_RESTRICTION')
}

/** Why the host may not cache reads of this disk; empty where it may (spec datapath 1). */
async function directReason(vdi: FileVDI): Promise<string> {
  const { context } = vdi.sr
  const srConfig = await context.xapi.srGetOtherConfig(await vdi.sr.srRef())
  const isOverridden = srConfig['o_direct'] === 'true'
  if (!vdi.sr.hasOwnFileSystem) return isOverridden ? 'SR_OVERRIDE' : 'SR_NOT_SUPPORTED'
  const isReadOnly = context.request.args[0] === 'false'
  if (isReadOnly && vdi.parent === undefined) return 'RO_WITH_NO_PARENT'
  return isOverridden ? 'SR_OVERRIDE' : ''
}
