import { attachmentOf, directReason } from '../attachment.ts'
import type { VdiAttachment } from '../VDI.ts'
import type { FileVDI } from './FileVDI.ts'

/**
 * vdi_attach: where the disk will be once it is activated. Nothing is opened yet (spec smapi 7.13, observed-behaviour 4.2).
 * @throws SmError VDIUnavailable
 */
export async function attachedDevice(vdi: FileVDI): Promise<VdiAttachment> {
  const { args } = vdi.sr.context.request
  const isLoneReadOnly = args[0] === 'false' && vdi.parent === undefined
  const reason = await directReason(vdi.sr, { isSupported: vdi.sr.hasOwnFileSystem, isLoneReadOnly })
  return attachmentOf(vdi, reason)
}

/** vdi_attach_from_config: the same, with xapi not there to ask (spec datapath 2). */
export function attachedOffline(vdi: FileVDI): VdiAttachment {
  return attachmentOf(vdi, 'LICENSE_RESTRICTION')
}
