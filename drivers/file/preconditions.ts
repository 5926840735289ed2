import { SmError } from '../../lib/smapi/SmError.ts'
import type { FileFamilySR } from './FileFamilySR.ts'
import type { FileVDI } from './FileVDI.ts'

/** @throws SmError SRUnavailable where the SR's directory is not there or nothing is mounted on it */
export async function requireMounted(sr: FileFamilySR): Promise<void> {
  if (!(await sr.isAttached())) throw new SmError('SRUnavailable', `[Errno 2] No such file or directory: '${sr.path}'`)
}

/**
 * Changed block tracking is not built yet: an operation that would leave a change log behind that says too little is
 * refused before anything changes.
 * @throws SmError Unimplemented
 */
export function refuseChangeTracking(vdi: FileVDI): void {
  if (vdi.hasLog || vdi.kind === 'cbtlog')
    throw new SmError('Unimplemented', 'changed block tracking is enabled on the VDI')
}
