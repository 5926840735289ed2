import type { Request } from '../../lib/smapi/Request.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import type { FileVDI } from './FileVDI.ts'
import { vhdName } from './layout.ts'

/**
 * vdi_compose: makes the VDI of `args[0]` the parent of this one (spec file-sr 10). Not advertised; storage migration
 * uses it. The parent is hidden only once a child refers to it.
 * @throws SmError Unimplemented (raw), VDIUnavailable
 */
export async function composeVdi(vdi: FileVDI, request: Request): Promise<void> {
  if (vdi.kind !== 'vhd') throw new SmError('Unimplemented')
  const { xapi, system } = vdi.sr.context
  const parentRef = request.args[0] ?? ''
  const parentUuid = await xapi.vdiGetUuid(parentRef)
  const parent = vdi.sr.file(vhdName(parentUuid))
  if (parentUuid === vdi.uuid) throw new SmError('InvalidArg', 'a VDI cannot become its own parent')
  if (!(await system.files.exists(parent))) throw new SmError('VDIUnavailable', `VDI ${parentUuid} not found`)
  const tool = await vdi.sr.vhdUtil()
  await tool.setParent(vdi.path, parent)
  await tool.setHidden(parent, true)
  await xapi.vdiSetManaged(parentRef, false)
}
