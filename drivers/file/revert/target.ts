import type { Request } from '../../../lib/smapi/Request.ts'
import { SmError } from '../../../lib/smapi/SmError.ts'
import { XapiError, type Ref } from '../../../lib/xapi/XapiClient.ts'
import type { VdiRecord } from '../../../lib/xapi/SmXapi.ts'
import type { FileVDI } from '../FileVDI.ts'
import { isUuid } from '../layout.ts'

/** A VDI's record and its reference. */
export interface KnownVdi {
  readonly ref: Ref
  readonly record: VdiRecord
}

/**
 * The VDI to revert, from `args[0]`: a reference, or a uuid as older texts have it (spec smapi 8.2).
 * @throws SmError InvalidArg, VDIMissing
 */
export async function resolveTarget(snapshot: FileVDI, request: Request): Promise<KnownVdi> {
  const argument = request.args[0] ?? ''
  const isReference = argument.startsWith('OpaqueRef:') && argument !== 'OpaqueRef:NULL'
  if (!isReference && !isUuid(argument)) throw new SmError('InvalidArg', 'the target must be a VDI reference or uuid')
  const { xapi } = snapshot.sr.context
  const target = await known(async () => {
    const ref = isReference ? argument : await xapi.vdiGetByUuid(argument)
    return { ref, record: await xapi.vdiGetRecord(ref) }
  })
  if (target.record.uuid === snapshot.uuid) throw new SmError('InvalidArg', 'a VDI cannot be reverted to itself')
  if (target.record.SR !== (await snapshot.sr.srRef())) {
    throw new SmError('InvalidArg', `VDI ${target.record.uuid} is not in SR ${snapshot.sr.uuid}`)
  }
  if (!isUuid(target.record.uuid)) throw new SmError('InvalidArg', 'the uuid of the target is malformed')
  return target
}

/** The snapshot's own record. @throws SmError VDIMissing */
export function knownSnapshot(snapshot: FileVDI): Promise<KnownVdi> {
  const { xapi } = snapshot.sr.context
  return known(async () => {
    const ref = await xapi.vdiGetByUuid(snapshot.uuid)
    return { ref, record: await xapi.vdiGetRecord(ref) }
  })
}

async function known(lookUp: () => Promise<KnownVdi>): Promise<KnownVdi> {
  try {
    return await lookUp()
  } catch (error) {
    if (error instanceof XapiError && (error.code === 'HANDLE_INVALID' || error.code === 'UUID_INVALID')) {
      throw new SmError('VDIMissing', undefined, { cause: error })
    }
    throw error
  }
}
