import { refreshPathSizes } from '../scsi/capacity.ts'
import type { MultipathDeps } from './Multipath.ts'
import { mapPath } from './names.ts'

/**
 * Has this host take up that a disk was grown on its target: its paths, then the map over them (spec iscsi-hba 6).
 * Returns whether all of it has the new size.
 */
export async function refreshLunSize(deps: MultipathDeps, scsiId: string): Promise<boolean> {
  if (!(await refreshPathSizes(deps, scsiId))) return false
  if (!(await deps.system.files.exists(mapPath(deps, scsiId)))) return true
  const { tellDaemon } = await import('./multipathd.ts')
  return tellDaemon(deps, `resize map ${scsiId}`)
}
