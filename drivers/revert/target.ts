import type { Request } from '../../lib/smapi/Request.ts'
import { isUuid } from '../../lib/smapi/members.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import { XapiError, type Ref } from '../../lib/xapi/XapiClient.ts'
import type { VdiRecord } from '../../lib/xapi/SmXapi.ts'
import type { SR } from '../SR.ts'

/** A disk of some SR. */
interface DiskOfSr {
  readonly uuid: string
  readonly sr: SR
}

/** The two disks of a revert and their references. */
export interface RevertPair<Vdi extends DiskOfSr> {
  readonly snapshot: Vdi
  readonly snapshotRef: Ref
  /** Uuid of the disk to revert. */
  readonly target: string
  readonly targetRef: Ref
}

/**
 * The snapshot and the VDI to revert, which `args[0]` names by reference, or by uuid as older texts have it
 * (spec smapi 8.2).
 * @throws SmError InvalidArg, VDIMissing
 */
export async function identifyPair<Vdi extends DiskOfSr>(snapshot: Vdi, request: Request): Promise<RevertPair<Vdi>> {
  const argument = request.args[0] ?? ''
  const isReference = argument.startsWith('OpaqueRef:') && argument !== 'OpaqueRef:NULL'
  if (!isReference && !isUuid(argument)) throw new SmError('InvalidArg', 'the target must be a VDI reference or uuid')
  const { xapi } = snapshot.sr.context
  const targetRef = isReference ? argument : await known(() => xapi.vdiGetByUuid(argument))
  const record = await readRecord(snapshot, targetRef)
  if (record.uuid === snapshot.uuid) throw new SmError('InvalidArg', 'a VDI cannot be reverted to itself')
  if (record.SR !== (await snapshot.sr.srRef())) {
    throw new SmError('InvalidArg', `VDI ${record.uuid} is not in SR ${snapshot.sr.uuid}`)
  }
  if (!isUuid(record.uuid)) throw new SmError('InvalidArg', 'the uuid of the target is malformed')
  return { snapshot, snapshotRef: await known(() => xapi.vdiGetByUuid(snapshot.uuid)), target: record.uuid, targetRef }
}

/** @throws SmError VDIMissing */
export function readRecord(snapshot: DiskOfSr, ref: Ref): Promise<VdiRecord> {
  return known(() => snapshot.sr.context.xapi.vdiGetRecord(ref))
}

async function known<T>(lookUp: () => Promise<T>): Promise<T> {
  try {
    return await lookUp()
  } catch (error) {
    if (error instanceof XapiError && (error.code === 'HANDLE_INVALID' || error.code === 'UUID_INVALID')) {
      throw new SmError('VDIMissing', undefined, { cause: error })
    }
    throw error
  }
}
