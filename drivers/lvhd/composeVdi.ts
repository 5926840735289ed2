import { vhdVolume } from '../../lib/lvhd/names.ts'
import type { Request } from '../../lib/smapi/Request.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import { refreshVdi } from '../pause.ts'
import { readDisks, type Disks } from './disks.ts'
import type { LvhdVDI } from './LvhdVDI.ts'
import { MAX_CHAIN_DEPTH } from './layout.ts'

/**
 * vdi_compose: makes the VDI of `args[0]` the parent of this one (spec lvhd 14). Not advertised; storage migration uses
 * it. The parent is hidden only once a child refers to it, and either step alone is harmless and may be repeated.
 * @throws SmError Unimplemented (raw), VDIUnavailable, InvalidArg, SnapshotChainTooLong, SMGeneral where an open disk does not take it up
 */
export async function composeVdi(vdi: LvhdVDI, request: Request): Promise<void> {
  const { sr } = vdi
  const { xapi } = sr.context
  const parentRef = request.args[0] ?? ''
  const parentUuid = await xapi.vdiGetUuid(parentRef)
  await sr.requireSettled(parentUuid)
  const disks = await readDisks(sr)
  requireFit(disks, vdi.uuid, parentUuid)
  const held = [vdi.uuid, ...ancestors(disks, parentUuid)]
  await sr.activator.hold(held.flatMap(uuid => activationOf(disks, uuid)))
  const tool = await sr.vhdUtil()
  const [child, parent] = [vdi.uuid, parentUuid].map(uuid => sr.group.path(vhdVolume(uuid)))
  await tool.setParent(child ?? '', parent ?? '')
  await tool.setHidden(parent ?? '', true)
  await xapi.vdiSetManaged(parentRef, false)
  if (!(await refreshVdi(sr.context, { ref: await xapi.vdiGetByUuid(vdi.uuid), uuid: vdi.uuid }))) {
    throw new SmError('SMGeneral', `VDI ${vdi.uuid} is composed, but a host that has it open did not take it up`)
  }
}

/** The parent's chain must not lead back here, and nothing of it may be larger than the disk. */
function requireFit(disks: Disks, childUuid: string, parentUuid: string): void {
  const [child, parent] = [disks.disks.get(childUuid), disks.disks.get(parentUuid)]
  if (child === undefined) throw new SmError('VDIUnavailable', `VDI ${childUuid} not found`)
  if (parent === undefined) throw new SmError('VDIUnavailable', `VDI ${parentUuid} not found`)
  if (child.type !== 'vhd' || parent.type !== 'vhd') throw new SmError('Unimplemented')
  if (parent.virtualSize > child.virtualSize) throw new SmError('InvalidArg', 'the parent is larger than the VDI')
  const chain = ancestors(disks, parentUuid)
  if (chain.includes(childUuid)) throw new SmError('InvalidArg', 'a VDI cannot become its own ancestor')
  if (chain.length + 1 > MAX_CHAIN_DEPTH) throw new SmError('SnapshotChainTooLong')
}

/** A disk and its ancestors, as far as they are found. */
function ancestors({ disks }: Disks, uuid: string): string[] {
  const chain: string[] = []
  for (
    let next: string | undefined = uuid;
    next !== undefined && !chain.includes(next);
    next = disks.get(next)?.parent
  ) {
    chain.push(next)
  }
  return chain
}

function activationOf({ disks }: Disks, uuid: string): { uuid: string; volume: string }[] {
  const disk = disks.get(uuid)
  return disk === undefined ? [] : [{ uuid, volume: disk.volume.name }]
}
