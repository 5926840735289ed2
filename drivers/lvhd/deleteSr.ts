import { JOURNAL_TAG, kindOf, METADATA_VOLUME } from '../../lib/lvhd/names.ts'
import type { LogicalVolume } from '../../lib/lvm/report.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import { forgetVdi } from '../records.ts'
import { readDisks, requireReadable, type Disks } from './disks.ts'
import type { LvhdFamilySR } from './LvhdFamilySR.ts'
import { isUnfinished, parseUnknownDisk } from './layout.ts'

/**
 * Removes all volumes of an SR that has no disks left: garbage first, leaves before their parents, then what is no disk,
 * the metadata volume last (spec lvhd 12). Nothing is removed while a disk is left.
 * @throws SmError SRNotEmpty; LvmError
 */
export async function emptyGroup(sr: LvhdFamilySR): Promise<void> {
  const disks = await readDisks(sr)
  requireReadable(sr, disks)
  const garbage = await garbageOf(sr, disks)
  const { volumes } = await sr.group.report()
  const left = [...volumes.values()].filter(volume => isDisk(volume) && !garbage.includes(volume.name))
  const [first] = left
  if (first !== undefined) throw new SmError('SRNotEmpty', `VDIs still exist in SR: ${first.name}`)
  for (const name of garbage) {
    await sr.group.remove(name)
    await forgetVdi(sr.context.xapi, name.slice(name.indexOf('-') + 1))
  }
  const others = [...(await sr.group.report()).volumes.values()].filter(isOwn)
  for (const { name } of others) await sr.group.remove(name)
  await sr.metadata.remove()
}

/** Volumes that may go. What is hidden in an interrupted operation may be the content of a disk. */
async function garbageOf(sr: LvhdFamilySR, disks: Disks): Promise<string[]> {
  const { uuids, isComplete } = await sr.journals.concerned(['clone', 'leaf'])
  const mayGo = garbageLeavesFirst(disks).filter(uuid => isComplete && !uuids.has(uuid))
  return mayGo.flatMap(uuid => disks.disks.get(uuid)?.volume.name ?? [])
}

/** Uuids of disks that no visible disk needs, every child before its parent (spec gc 6). */
function garbageLeavesFirst({ disks }: Disks): string[] {
  const garbage = new Set<string>()
  for (let grown = true; grown;) {
    const next = [...disks.values()].filter(
      ({ uuid, hidden }) =>
        hidden &&
        !garbage.has(uuid) &&
        ![...disks.values()].some(other => other.parent === uuid && !garbage.has(other.uuid)),
    )
    grown = next.length > 0
    for (const { uuid } of next) garbage.add(uuid)
  }
  return [...garbage]
}

function isDisk(volume: LogicalVolume): boolean {
  const { kind } = kindOf(volume)
  return kind === 'vhd' || kind === 'aio' || kind === 'cbtLog' || parseUnknownDisk(volume.name) !== undefined
}

/** What storage managers leave: journals and unfinished disks. Other volumes are somebody's, and keep the group. */
function isOwn({ name, tags }: LogicalVolume): boolean {
  if (name === METADATA_VOLUME) return false
  return tags.includes(JOURNAL_TAG) || kindOf({ name, tags }).kind === 'resizeJournal' || isUnfinished(name)
}
