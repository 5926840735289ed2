import { Lvm } from '../../lib/lvm/Lvm.ts'
import { parseRows, textOf } from '../../lib/lvm/report.ts'
import { lunEntries } from '../../lib/scsi/links.ts'
import { resolved } from '../../lib/scsi/rootDisk.ts'
import { scsiIdOf } from '../../lib/scsi/scsiId.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import type { LunSR } from './LunSR.ts'

/**
 * Refuses a volume group whose physical volumes, copies included, are not all on the SR's own LUN: a copy of the LUN that
 * the target shows beside it has the same group (spec iscsi-hba 8 "attach"). LVM is asked without the filter that would hide it.
 * @throws SmError PVMultiIDs
 */
export async function requireOneDisk({ context, group, scsiId }: LunSR): Promise<void> {
  const lvm = new Lvm(context, { master: context.request.isMaster })
  const report = ['pvs', '--all', '--reportformat', 'json', '-o', 'pv_name,pv_uuid,vg_name'] as const
  const rows = parseRows(await lvm.look(report), 'pv').filter(row => textOf(row, 'pv_uuid') !== '')
  // A copy has the same uuid as the physical volume, whatever LVM takes its group for.
  const uuids = new Set(rows.filter(row => textOf(row, 'vg_name') === group.name).map(row => textOf(row, 'pv_uuid')))
  const devices = rows.filter(row => uuids.has(textOf(row, 'pv_uuid'))).map(row => textOf(row, 'pv_name'))
  const own = new Set<string>()
  for (const entry of await lunEntries(context, scsiId)) own.add(await resolved(context.system, entry))
  for (const device of devices) {
    if (own.has(await resolved(context.system, device)) || (await scsiIdOf(context, device)) === scsiId) continue
    throw new SmError('PVMultiIDs', `${device} is not ${scsiId}`)
  }
}
