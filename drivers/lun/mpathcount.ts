import { LockManager } from '../../lib/lock/Lock.ts'
import { recordPaths } from '../../lib/multipath/pathCount.ts'
import { describeError } from '../../lib/os/describeError.ts'
import { setting } from '../../lib/os/environment.ts'
import { makeLogger } from '../../lib/os/log.ts'
import { Paths } from '../../lib/os/paths.ts'
import { makeSystem, type System } from '../../lib/os/system.ts'
import { isScsiId } from '../../lib/scsi/scsiId.ts'
import { readInventory } from '../../lib/toolstack/inventory.ts'
import { SmXapi } from '../../lib/xapi/SmXapi.ts'
import { connectXapi } from '../../lib/xapi/XapiEndpoint.ts'
import type { HostContext } from '../hostPlugin.ts'

/** SR types that may be on a LUN with several paths, also of other storage managers (spec iscsi-hba 7). */
const TYPES: ReadonlySet<string> = new Set(['iscsi', 'lvmoiscsi', 'lvhdoiscsi', 'lvmohba', 'lvhdohba', 'gfs2'])

/**
 * The program `mpathcount`, which udev runs whenever a path comes or goes: writes into the records of this host's connections
 * how many paths of their LUNs work. Returns the exit code.
 */
export async function runMpathcount(system: System = makeSystem()): Promise<number> {
  const paths = new Paths()
  const log = makeLogger({ ident: 'mpathcount' })
  const endpoint = connectXapi(setting('SM_XAPI_URL'), { effects: system.effects, paths, originator: 'SM' })
  const locks = new LockManager(paths, system.effects)
  try {
    const session = await endpoint.loginLocal()
    try {
      await countAll({ system, paths, locks, log, xapi: new SmXapi(session) })
    } finally {
      await session.logout()
    }
    return 0
  } catch (error) {
    log.error(`paths are not counted: ${describeError(error)}`)
    return 1
  } finally {
    await locks.releaseAll()
    await endpoint.close()
    await log.flush()
  }
}

/** One disk that cannot be asked does not keep the others from being counted; the failure is thrown after them. */
async function countAll(context: HostContext): Promise<void> {
  const { xapi, system, paths } = context
  const host = await xapi.hostGetByUuid((await readInventory(system, paths)).hostUuid)
  const pbds = await xapi.pbdRecordsWhere(`field "host" = "${host}"`)
  const srs = await xapi.srRecordsWhere('true')
  const failures: unknown[] = []
  for (const [pbd, { SR, currently_attached: isAttached, device_config: config }] of pbds) {
    const scsiId = config['SCSIid'] ?? ''
    if (!isAttached || !isScsiId(scsiId) || !TYPES.has(srs.get(SR)?.type ?? '')) continue
    await recordPaths(context, pbd, scsiId).catch((error: unknown) => failures.push(error))
  }
  if (failures.length > 0) throw failures[0]
}
