import type { Request } from '../../lib/smapi/Request.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import { refreshVdi } from '../pause.ts'
import type { FileVDI } from './FileVDI.ts'
import { isUuid, MAX_CHAIN_DEPTH, vhdName } from './layout.ts'

/**
 * vdi_compose: makes the VDI of `args[0]` the parent of this one (spec file-sr 10). Not advertised; storage migration
 * uses it. The parent is hidden only once a child refers to it, and either step alone is harmless and may be repeated.
 * @throws SmError Unimplemented (raw), VDIUnavailable, InvalidArg, SnapshotChainTooLong, SMGeneral where an open disk does not take it up
 */
export async function composeVdi(vdi: FileVDI, request: Request): Promise<void> {
  if (vdi.kind !== 'vhd') throw new SmError('Unimplemented')
  const { xapi } = vdi.sr.context
  const parentRef = request.args[0] ?? ''
  const parentUuid = await xapi.vdiGetUuid(parentRef)
  const parent = vdi.sr.file(vhdName(parentUuid))
  await requireFit(vdi, parentUuid, parent)
  const tool = await vdi.sr.vhdUtil()
  await tool.setParent(vdi.path, parent)
  await tool.setHidden(parent, true)
  await xapi.vdiSetManaged(parentRef, false)
  const refreshed = await refreshVdi(vdi.sr.context, { ref: await xapi.vdiGetByUuid(vdi.uuid), uuid: vdi.uuid })
  if (!refreshed)
    throw new SmError('SMGeneral', `VDI ${vdi.uuid} is composed, but a host that has it open did not take it up`)
}

/** The parent's chain must not lead back here, and nothing of it may be larger than the disk. */
async function requireFit(vdi: FileVDI, parentUuid: string, parent: string): Promise<void> {
  const { files } = vdi.sr.context.system
  if (!isUuid(parentUuid) || !(await files.exists(parent))) {
    throw new SmError('VDIUnavailable', `VDI ${parentUuid} not found`)
  }
  const vhd = vdi.sr.embeddedVhd()
  if ((await vhd.virtualSize(parent)) > vdi.virtualSize)
    throw new SmError('InvalidArg', 'the parent is larger than the VDI')
  let depth = 1
  for (let node: string | undefined = parent; node?.endsWith('.vhd') === true; node = await vhd.parent(node)) {
    if (node.endsWith(`/${vhdName(vdi.uuid)}`)) throw new SmError('InvalidArg', 'a VDI cannot become its own ancestor')
    depth += 1
    if (depth > MAX_CHAIN_DEPTH) throw new SmError('SnapshotChainTooLong')
  }
}
