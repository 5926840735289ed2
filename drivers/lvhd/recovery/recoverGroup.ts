import { undoInflate } from '../../../lib/lvhd/inflate.ts'
import { kindOf, trimVolume, vhdVolume } from '../../../lib/lvhd/names.ts'
import { isUuid } from '../../../lib/smapi/members.ts'
import { SmError } from '../../../lib/smapi/SmError.ts'
import type { JournalType } from '../../../lib/journal/VolumeJournals.ts'
import type { LvhdFamilySR } from '../LvhdFamilySR.ts'
import { undoGrowRaw } from '../growRaw.ts'
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
    return kind === 'journal' || kind === 'resizeJournal' || isLeftover(sr, volume.name)
  })
  if (hasLeftovers) await settleAll(sr)
  await resumeLeftPaused(sr)
}

async function settleAll(sr: LvhdFamilySR): Promise<void> {
  const running = await sr.context.locks.tryLock(sr.uuid, 'running')
  try {
    await settleInOrder(sr, running !== undefined)
  } finally {
    await running?.release()
  }
}

/** `quiesced`: the garbage collector is known not to run. */
async function settleInOrder(sr: LvhdFamilySR, quiesced: boolean): Promise<void> {
  await attempt(sr, 'torn journals', () => sr.journals.removeTorn())
  const leftovers = [...(await sr.group.report()).volumes.keys()].filter(name => isLeftover(sr, name))
  for (const name of leftovers) await attempt(sr, name, () => sr.group.remove(name))
  await settleType(sr, 'inflate', uuid => recoverInflate(sr, uuid))
  for (const uuid of await sr.journals.resizes()) await attempt(sr, uuid, () => recoverResize(sr, requireUuid(uuid)))
  await settleType(sr, 'zero', (uuid, value) => undoGrowRaw(sr, uuid, value))
  await settleType(sr, 'clone', (uuid, value) => recoverClone(sr, requireCloneNames(uuid, value), { quiesced }))
  await settleType(sr, 'leaf', (uuid, value) => recoverLeafCoalesce(sr, uuid, requireUuid(value)))
}

/** Under the SR lock nobody is building a disk, and nobody trims. */
function isLeftover(sr: LvhdFamilySR, volume: string): boolean {
  return isUnfinished(volume) || volume === trimVolume(sr.uuid)
}

async function settleType(
  sr: LvhdFamilySR,
  type: JournalType,
  settle: (uuid: string, value: string) => Promise<void>,
): Promise<void> {
  await attempt(sr, `journals of type ${type}`, async () => {
    for (const [uuid, { value }] of await sr.journals.ofType(type)) {
      await attempt(sr, uuid, () => settle(requireUuid(uuid), value ?? ''))
    }
  })
}

/** What a journal names that is no disk is somebody's, and nothing is done by it. @throws SmError VDIUnavailable */
function requireUuid(text: string): string {
  if (isUuid(text)) return text
  throw new SmError('VDIUnavailable', `a journal names ${JSON.stringify(text)}, which is no VDI`)
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
  const isThere = (await sr.group.volume(vhdVolume(uuid))) !== undefined
  if (isThere) await sr.activator.hold([{ uuid, volume: vhdVolume(uuid) }])
  await undoInflate(await sr.tools(), uuid)
  if (isThere) await sr.tellHosts(await sr.otherHosts(), refreshActions(uuid, vhdVolume(uuid)))
  await sr.journals.remove('inflate', uuid)
}
