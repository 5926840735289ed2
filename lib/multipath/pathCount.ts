import path from 'node:path'
import type { SmXapi } from '../xapi/SmXapi.ts'
import type { Ref } from '../xapi/XapiClient.ts'
import type { MultipathDeps } from './Multipath.ts'
import { pathsOfMap } from './multipathd.ts'

/** How many paths of a map work, and how many it has had at most while it was there. */
export interface PathCount {
  readonly up: number
  readonly max: number
}

type Deps = MultipathDeps & { readonly xapi: SmXapi }

/**
 * Writes the number of working paths of a disk into `PBD.other_config` (`mpath-<SCSIid>`, `multipathed`) and into the file that
 * other programs of the host read (spec iscsi-hba 7). Nothing is written where nothing has changed.
 */
export async function recordPaths(deps: Deps, pbd: Ref, scsiId: string): Promise<void> {
  const paths = await pathsOfMap(deps, scsiId)
  if (paths.length === 0) return
  const key = `mpath-${scsiId}`
  const { other_config: before } = await deps.xapi.pbdGetRecord(pbd)
  const up = paths.filter(({ isUp }) => isUp).length
  const count = { up, max: Math.max(paths.length, parseCount(before[key])?.max ?? 0) }
  await setKey(deps, pbd, { key: 'multipathed', value: 'true', before: before['multipathed'] })
  await setKey(deps, pbd, { key, value: formatCount(count), before: before[key] })
  await writeStatus(deps, key, count)
}

/** As clients have always read it: `[2, 4]`. */
export function formatCount({ up, max }: PathCount): string {
  return `[${up}, ${max}]`
}

export function parseCount(text: string | undefined): PathCount | undefined {
  const [, up, max] = /^[[(](\d+), (\d+)[\])]$/.exec(text ?? '') ?? []
  return up === undefined || max === undefined ? undefined : { up: Number(up), max: Number(max) }
}

async function setKey(
  { xapi }: Deps,
  pbd: Ref,
  { key, value, before }: { key: string; value: string; before: string | undefined },
): Promise<void> {
  if (before === value) return
  if (before !== undefined) await xapi.pbdRemoveFromOtherConfig(pbd, key)
  await xapi.pbdAddToOtherConfig(pbd, key, value)
}

/** `/dev/shm/mpath_status`: `{"mpath-<id>": "2/4"}`. */
async function writeStatus({ system, paths, log }: Deps, key: string, { up, max }: PathCount): Promise<void> {
  const file = paths.multipathStatus
  const status: Record<string, string> = {}
  if (await system.files.exists(file)) {
    try {
      Object.assign(status, JSON.parse(await system.files.readText(file)))
    } catch (error) {
      log.warn(`${file} is written anew: ${String(error)}`)
    }
  }
  await system.files.makeDirectory(path.dirname(file), { recursive: true })
  await system.files.writeDurably(file, JSON.stringify({ ...status, [key]: `${up}/${max}` }))
}
