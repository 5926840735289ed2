import { SmError } from '../../lib/smapi/SmError.ts'
import type { FileFamilySR } from './FileFamilySR.ts'
import { findLeftovers, resizeJournalName, vhdName } from './layout.ts'
import { revertJournal } from './revert/journal.ts'
import { recoverRevert } from './revert/recovery.ts'
import { recoverSnapshot } from './snapshot/recovery.ts'

const PENDING = 'Critical journals are pending. A scan is required.'

/**
 * Finishes or undoes every interrupted operation in the directory, then removes what nothing refers to any more. On the
 * SR master, under the SR lock: whoever builds temporary files holds that lock too, so those found here are left over.
 * Idempotent, and safe to be interrupted itself.
 */
export async function recoverDirectory(sr: FileFamilySR): Promise<void> {
  const found = findLeftovers(await sr.listNames())
  for (const target of found.reverts) await recoverRevert(sr, target)
  for (const vdi of found.snapshots) await recoverSnapshot(sr, vdi)
  for (const vdi of found.resizes) await recoverResize(sr, vdi)
  if (found.temporaries.length === 0) return
  const left = findLeftovers(await sr.listNames())
  const pending = new Set([...left.reverts, ...left.snapshots])
  for (const name of left.temporaries) {
    if (![...pending].some(uuid => name.includes(uuid))) await sr.context.system.files.unlinkIfPresent(sr.file(name))
  }
}

/** An offline resize that was interrupted is undone: the disk is what it was (spec vhd 9.4). */
async function recoverResize(sr: FileFamilySR, vdi: string): Promise<void> {
  const { files } = sr.context.system
  const journal = sr.file(resizeJournalName(vdi))
  sr.context.log.warn(`interrupted resize of VDI ${vdi}: undoing it`)
  if (await files.exists(sr.file(vhdName(vdi)))) {
    await (await sr.vhdUtil()).revertResize(sr.file(vhdName(vdi)), journal)
  } else {
    await files.unlinkIfPresent(journal)
  }
  await files.syncDirectory(sr.path)
}

/**
 * Refuses to touch a disk whose interrupted operation only a scan on the master finishes.
 * @throws SmError SRUnavailable
 */
export async function refusePendingJournals(sr: FileFamilySR, vdi: string): Promise<void> {
  if (!(await sr.isAttached())) return
  const { reverts, snapshots, resizes } = findLeftovers(await sr.listNames())
  if (snapshots.includes(vdi) || resizes.includes(vdi)) throw new SmError('SRUnavailable', PENDING)
  for (const target of reverts) {
    const record = target === vdi ? undefined : await revertJournal(sr, target).read()
    if (target === vdi || record?.snapshot === vdi) throw new SmError('SRUnavailable', PENDING)
  }
}
