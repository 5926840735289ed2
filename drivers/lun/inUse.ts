import { SmError } from '../../lib/smapi/SmError.ts'
import type { Ref } from '../../lib/xapi/XapiClient.ts'
import type { Context } from '../Context.ts'

/** What a disk may be recorded under in `SR.sm_config`. */
const KEYS = ['SCSIid', 'devserial']

/**
 * Ids of the disks that any SR but this one is on, by the PBDs and SRs of the whole pool (spec iscsi-hba 8 "create").
 * @throws SmError APIPBDQuery
 */
export async function scsiIdsInUse({ xapi }: Context, srRef?: Ref): Promise<ReadonlySet<string>> {
  try {
    const used = new Set<string>()
    for (const pbd of (await xapi.pbdRecordsWhere('true')).values()) {
      const id = pbd.device_config['SCSIid'] ?? ''
      if (pbd.SR !== srRef && id !== '') used.add(id)
    }
    for (const [ref, record] of await xapi.srRecordsWhere('true')) {
      if (ref === srRef) continue
      for (const id of recordedIds(record.sm_config)) used.add(id)
    }
    return used
  } catch (error) {
    throw new SmError('APIPBDQuery', error instanceof Error ? error.message : String(error), { cause: error })
  }
}

/** @throws SmError SRInUse where another SR is on the disk, APIPBDQuery */
export async function refuseDiskInUse(context: Context, scsiId: string, srRef: Ref): Promise<void> {
  if ((await scsiIdsInUse(context, srRef)).has(scsiId)) {
    throw new SmError('SRInUse', `SCSI id ${scsiId} is used by another SR`)
  }
}

function recordedIds(smConfig: Readonly<Record<string, string>>): string[] {
  const listed = KEYS.flatMap(key => (smConfig[key] ?? '').split(','))
  const named = Object.keys(smConfig).filter(key => key.startsWith('scsi-'))
  return [...listed, ...named].map(id => id.replace(/^scsi-/, '')).filter(id => id !== '')
}
