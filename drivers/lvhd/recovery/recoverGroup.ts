import { undoInflate } from '../../../lib/lvhd/inflate.ts'
import { kindOf, vhdVolume } from '../../../lib/lvhd/names.ts'
import type { JournalType } from '../../../lib/journal/VolumeJournals.ts'
import type { LvhdFamilySR } from '../LvhdFamilySR.ts'
import { isUnfinished } from '../layout.ts'
import { resumeLeftPaused } from '../pauses.ts'
import { refreshActions } from '../slaves.ts'
import { recoverClone } from './recoverClone.ts'
import { recoverLeafCoalesce } from './recoverLeafCoalesce.ts'
import { recoverResize } from './recoverResize.ts'
import { requireCloneNames } from './undoClone.ts'

/**
 * Finishes or undoes every interrupted operation of the SR, by whichever storage manager it was (spec lvhd 16, 31). On the
 * master, under the SR lock. Idempotent. The order is the reference's: undoing what changed VHDs may need to grow volumes,
 * which needs the journal of that to be free. What cannot be settled keeps its journal, which closes its own disk and no
 * others.
 */
export async function recoverGroup(sr: LvhdFamilySR): Promise<void> {
  const { volumes } = await sr.group.report()
  const hasLeftovers = [...volumes.values()].some(volume => {
    const { kind } = kindOf(volume)
    return kind === 'journal' || kind === 'resizeJournal' || isUnfinished(volume.name)
  })
  if (hasLeftovers) await settleAll(sr)
  await resumeLeftPaused(sr)
}

/** Uuids of all disks, bases included, that a journal concerns. */
export async function pendingVdis(sr: LvhdFamilySR): Promise<Set<string>> {
  const concerned = await sr.journals.ids()
  for (const { value } of (await sr.journals.ofType('clone')).values()) {
    for (const uuid of (value ?? '').split('_')) if (uuid !== '') concerned.add(uuid)
  }
  for (const { value } of (await sr.journals.ofType('leaf')).values()) if (value !== undefined) concerned.add(value)
  return concerned
}

async function settleAll(sr: LvhdFamilySR): Promise<void> {
  await attempt(sr, 'torn journals', () => sr.journals.removeTorn())
  for (const name of [...(await sr.group.report()).volumes.keys()].filter(isUnfinished)) {
    await attempt(sr, name, () => sr.group.remove(name))
  }
  await settleType(sr, 'inflate', uuid => recoverInflate(sr, uuid))
  for (const uuid of await sr.journals.resizes()) await attempt(sr, uuid, () => recoverResize(sr, uuid))
  await settleType(sr, 'clone', (uuid, value) => recoverClone(sr, requireCloneNames(uuid, value)))
  await settleType(sr, 'leaf', (uuid, value) => recoverLeafCoalesce(sr, uuid, value))
}

async function settleType(
  sr: LvhdFamilySR,
  type: JournalType,
  settle: (uuid: string, value: string) => Promise<void>,
): Promise<void> {
  await attempt(sr, `journals of type ${type}`, async () => {
    for (const [uuid, { value }] of await sr.journals.ofType(type)) {
      await attempt(sr, uuid, () => settle(uuid, value ?? ''))
    }
  })
}

async function attempt(sr: LvhdFamilySR, what: string, step: () => Promise<void>): Promise<void> {
  try {
    await step()
  } catch (error) {
    sr.group.forget()
    sr.context.log.error(`what was interrupted could not be settled, ${what}: ${String(error)}`)
  }
}

async function recoverInflate(sr: LvhdFamilySR, uuid: string): Promise<void> {
  sr.context.log.warn(`VDI ${uuid}: its volume was being enlarged; undoing that`)
  await undoInflate(await sr.tools(), uuid)
  await sr.tellHosts(await sr.otherHosts(), refreshActions(uuid, vhdVolume(uuid)))
}
