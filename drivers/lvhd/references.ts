import type { References } from '../../lib/lvm/RefCounter.ts'
import { readDisks } from './disks.ts'
import type { LvhdFamilySR } from './LvhdFamilySR.ts'

/**
 * A host that attaches an SR has none of its volumes in use (spec lvhd 10), but those of disks that something still serves,
 * as when only the toolstack was started again: their references are set to what they must be, all others are forgotten.
 * @throws LvmError
 */
export async function resetReferences(sr: LvhdFamilySR): Promise<void> {
  const { closeUnknown } = await import('../datapath/closeUnknown.ts')
  const served = await closeUnknown(sr)
  const wanted = served.size === 0 ? new Map<string, References>() : await referencesOf(sr, [...served])
  if (wanted === undefined) sr.context.log.error(`references of SR ${sr.uuid} are left as they are`)
  else await sr.references.reset(wanted)
}

/** Each disk is attached, and counts for each of its ancestors. Undefined where not all of them can be read. */
async function referencesOf(
  sr: LvhdFamilySR,
  served: readonly string[],
): Promise<ReadonlyMap<string, References> | undefined> {
  if (!(await sr.group.exists())) return undefined
  const { disks } = await readDisks(sr, served)
  const wanted = new Map<string, References>(served.map(uuid => [uuid, { count: 0, binary: 1 }]))
  for (const leaf of served) {
    const chain = new Set<string>()
    for (let next: string | undefined = leaf; next !== undefined;) {
      const disk = disks.get(next)
      if (disk === undefined || chain.has(next)) return undefined
      chain.add(next)
      next = disk.parent
    }
    chain.delete(leaf)
    for (const uuid of chain) {
      const { count = 0, binary = 0 } = wanted.get(uuid) ?? {}
      wanted.set(uuid, { count: count + 1, binary })
    }
  }
  return wanted
}
