import { SmError } from '../../lib/smapi/SmError.ts'
import { isErrno } from '../../lib/os/files.ts'
import { inspectVhd } from '../../lib/vhd/inspect.ts'
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

/**
 * An offline resize that was interrupted is undone, or cleaned up after if it was complete (spec vhd 9.4). Both footers
 * are poisoned before anything else is changed: where neither is, the journal alone is left.
 */
async function recoverResize(sr: FileFamilySR, vdi: string): Promise<void> {
  const { files } = sr.context.system
  const journal = sr.file(resizeJournalName(vdi))
  const image = sr.file(vhdName(vdi))
  sr.context.log.warn(`interrupted resize of VDI ${vdi}: undoing it`)
  if ((await files.exists(image)) && (await isPoisoned(sr, image))) {
    await (await sr.vhdUtil()).revertResize(image, journal)
  } else {
    await files.unlinkIfPresent(journal)
  }
  await files.syncDirectory(sr.path)
}

async function isPoisoned(sr: FileFamilySR, image: string): Promise<boolean> {
  try {
    for (const backupFooter of [true, false]) await inspectVhd(sr.context.system.files, image, { backupFooter })
    return false
  } catch (error) {
    if (isErrno(error, 'EINVAL')) return true
    throw error
  }
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
