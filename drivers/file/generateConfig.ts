import { encodeMethodCall } from '../../lib/smapi/xmlrpc.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import { isErrno } from '../../lib/os/files.ts'
import type { FileVDI } from './FileVDI.ts'

/** vdi_generate_config: the call that attaches this disk while xapi is not there (spec file-sr 9.7). @throws SmError VDIUnavailable */
export async function attachConfig(vdi: FileVDI): Promise<string> {
  const { request, system } = vdi.sr.context
  await system.files.stat(vdi.path).catch((error: unknown) => {
    throw new SmError(isErrno(error, 'EIO') ? 'EIO' : 'VDIUnavailable', undefined, { cause: error })
  })
  const command = 'vdi_attach_from_config'
  return encodeMethodCall(command, [
    {
      device_config: { ...request.deviceConfig },
      ...(await vdi.sr.offlineConfig()),
      sr_uuid: vdi.sr.uuid,
      vdi_uuid: vdi.uuid,
      command,
    },
  ])
}
