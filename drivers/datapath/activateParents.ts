import { scanVhds, isUnreadable } from '../../lib/lvhd/scan.ts'
import { rawVolume, vhdVolume } from '../../lib/lvhd/names.ts'
import { type Activation, Activator } from '../../lib/lvm/Activator.ts'
import { groupName } from '../../lib/lvm/names.ts'
import { RefCounter } from '../../lib/lvm/RefCounter.ts'
import { VolumeGroup } from '../../lib/lvm/VolumeGroup.ts'
import type { HostContext } from '../hostPlugin.ts'
import { lvmOfSr } from '../lun/lvmOfSr.ts'

/**
 * Makes the ancestors of a VDI active on this host where its chain was changed elsewhere while it was paused, and counts
 * them as in use until the VDI is closed (spec datapath 7, `activate_parents`). One that is active here is counted
 * already: by the chain as it was, or by whoever else has it open.
 * @throws SmError SRUnavailable, VDIUnavailable; LvmError
 */
export async function activateParents(context: HostContext, srUuid: string, vdiUuid: string): Promise<void> {
  const lvm = await lvmOfSr(context, srUuid)
  const group = new VolumeGroup(lvm, groupName(srUuid))
  const idle: Activation[] = []
  for (const ancestor of await ancestorsOf(group, vdiUuid)) {
    if (!(await group.require(ancestor.volume)).active) idle.push(ancestor)
  }
  // Not released: they stay in use when this process ends.
  await new Activator(group, new RefCounter(lvm.deps, srUuid)).hold(idle)
}

async function ancestorsOf(group: VolumeGroup, vdiUuid: string): Promise<Activation[]> {
  const rows = await scanVhds(group, { uuids: [vdiUuid] })
  const found: Activation[] = []
  const seen = new Set<string>()
  for (let row = rows.get(vdiUuid); row !== undefined && !seen.has(row.uuid);) {
    seen.add(row.uuid)
    if (isUnreadable(row)) throw row.error
    const { parent } = row
    if (parent === undefined) break
    const volume = parent.type === 'vhd' ? vhdVolume(parent.uuid) : rawVolume(parent.uuid)
    found.push({ uuid: parent.uuid, volume })
    row = rows.get(parent.uuid)
  }
  return found
}
