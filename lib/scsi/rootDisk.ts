import { isErrno } from '../os/files.ts'
import type { ScsiDeps } from './deps.ts'
import { scsiIdOf } from './scsiId.ts'

/** The host's own disk as its inventory names it (`PRIMARY_DISK`), links followed; undefined where it names none. */
export async function rootDisk({ system, paths }: Pick<ScsiDeps, 'system' | 'paths'>): Promise<string | undefined> {
  if (!(await system.files.exists(paths.inventory))) return undefined
  const disk = /^PRIMARY_DISK='([^'\n]+)'/m.exec(await system.files.readText(paths.inventory))?.[1]
  return disk === undefined ? undefined : resolved(system, disk)
}

/** Id of the host's own disk; empty where it has none or is not known. No path of it is ever touched. */
export async function rootDiskId(deps: ScsiDeps): Promise<string> {
  const disk = await rootDisk(deps)
  return disk === undefined ? '' : scsiIdOf(deps, disk)
}

/** The name itself where nothing is there: that is reported by whoever needs it. */
export async function resolved({ files }: ScsiDeps['system'], name: string): Promise<string> {
  try {
    return await files.realpath(name)
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return name
    throw error
  }
}
