import { Lvm, type LvmOptions } from '../../lib/lvm/Lvm.ts'
import { namesForLvm } from '../../lib/multipath/names.ts'
import type { ScsiDeps } from '../../lib/scsi/deps.ts'
import { byScsidDirectory } from '../../lib/scsi/links.ts'
import { isScsiId } from '../../lib/scsi/scsiId.ts'
import type { HostContext } from '../hostPlugin.ts'

/** By either LVM sees the one device of the LUN and nothing else: the first is for the hosts' own LVM, the second for any. */
export function lvmOptionsOf(deps: ScsiDeps, scsiId: string): LvmOptions {
  return { device: byScsidDirectory(deps, scsiId), onlyDevice: () => namesForLvm(deps, scsiId) }
}

/**
 * LVM as a host plugin has to run it for an SR: of an SR on a LUN it sees the map, or one path, as the driver does. A volume
 * that were mapped over another path would stay behind when that path is lost, and hold the map when the SR is detached.
 */
export async function lvmOfSr(host: HostContext, srUuid: string): Promise<Lvm> {
  const { system, paths, locks, log } = host
  const scsiId = await scsiIdOfSr(host, srUuid)
  return new Lvm({ system, paths, locks, log }, scsiId === undefined ? {} : lvmOptionsOf(host, scsiId))
}

/** Undefined for an SR on local disks, and where xapi cannot be asked: then LVM chooses. */
async function scsiIdOfSr({ xapi, log }: HostContext, srUuid: string): Promise<string | undefined> {
  try {
    const pbds = await xapi.pbdRecordsWhere(`field "SR" = "${await xapi.srGetByUuid(srUuid)}"`)
    return [...pbds.values()].map(pbd => pbd.device_config['SCSIid'] ?? '').find(isScsiId)
  } catch (error) {
    log.warn(`which disk SR ${srUuid} is on is not known: ${String(error)}`)
    return undefined
  }
}
