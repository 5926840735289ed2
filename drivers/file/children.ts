import { SmError } from '../../lib/smapi/SmError.ts'
import type { VhdScanError, VhdScanRow } from '../../lib/vhd/VhdUtil.ts'
import type { FileFamilySR } from './FileFamilySR.ts'
import { childrenByParent } from './garbage.ts'
import { uuidOfVhd, vhdName } from './layout.ts'

/** For each disk the uuids of the images built on it. */
export type Children = (uuid: string) => readonly string[]

/**
 * Which images of the SR are built on which. A file that is no VHD has no parent; one that the system fails to read
 * may have any, and nothing is known then. `exceptFor`: a disk whose own image does not matter.
 * @throws SmError VDIUnavailable
 */
export async function readChildren(sr: FileFamilySR, exceptFor?: string): Promise<Children> {
  const rows = await (await sr.vhdUtil()).scan(sr.path)
  const unread = rows.find(
    (row): row is VhdScanError => 'error' in row && row.error.cause !== undefined && uuidOfVhd(row.name) !== exceptFor,
  )
  if (unread !== undefined) throw new SmError('VDIUnavailable', `${unread.name}: ${unread.error.message}`)
  const children = childrenByParent(rows.filter((row): row is VhdScanRow => !('error' in row)))
  return uuid => (children.get(vhdName(uuid)) ?? []).map(row => uuidOfVhd(row.name))
}
