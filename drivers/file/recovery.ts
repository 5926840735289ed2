import { isErrno } from '../../lib/os/files.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import { inspectVhd } from '../../lib/vhd/inspect.ts'
import type { FileFamilySR } from './FileFamilySR.ts'
import { findLeftovers, resizeJournalName, vhdName } from './layout.ts'
import { revertJournal } from './revert/journal.ts'
import { recoverRevert } from './revert/recovery.ts'
import { snapshotJournal } from './snapshot/journal.ts'
import { recoverSnapshot } from './snapshot/recovery.ts'

const PENDING = 'Critical journals are pending. A scan is required.'

/**
 * Finishes or undoes every interrupted operation in the directory, then removes what nothing refers to any more. On the
 * SR master, under the SR lock: whoever builds temporary files holds that lock too, so those found here are left over.
 * Idempotent. An operation that cannot be settled keeps its journal, which closes its own disks and no others.
 */
export async function recoverDirectory(sr: FileFamilySR): Promise<void> {
  const found = findLeftovers(await sr.listNames())
  const { reverts, snapshots, resizes, temporaries } = found
  if (reverts.length + snapshots.length + resizes.length + temporaries.length === 0) return
  const running = await sr.context.locks.tryLock(sr.uuid, 'running')
  try {
    for (const target of reverts) await attempt(sr, target, () => recoverRevert(sr, target, running !== undefined))
    for (const vdi of snapshots) await attempt(sr, vdi, () => recoverSnapshot(sr, vdi))
    for (const vdi of resizes) await attempt(sr, vdi, () => recoverResize(sr, vdi))
    await removeTemporaries(sr)
  } finally {
    await running?.release()
  }
}

async function attempt(sr: FileFamilySR, vdi: string, step: () => Promise<void>): Promise<void> {
  try {
    await step()
  } catch (error) {
    sr.context.log.error(`an interrupted operation on VDI ${vdi} could not be settled: ${String(error)}`)
  }
}

/**
 * A temporary image whose disk has no other, or has a journal left, is never removed. One that cannot be, as on a
 * read-only file system, is in nobody's way.
 */
async function removeTemporaries(sr: FileFamilySR): Promise<void> {
  const names = await sr.listNames()
  const { temporaries } = findLeftovers(names)
  const pending = [...(await pendingVdis(sr))]
  for (const name of temporaries) {
    const isNeeded = pending.some(uuid => name.includes(uuid))
    const isOnlyImage = name.endsWith('.vhd.revert') && !names.includes(name.slice(0, -'.revert'.length))
    if (isNeeded || isOnlyImage) continue
    try {
      await sr.context.system.files.unlinkIfPresent(sr.file(name))
    } catch (error) {
      sr.context.log.error(`${name} is left over: ${String(error)}`)
    }
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

/** Uuids of all disks, bases included, that a pending journal concerns. `replaced`: a disk whose image is about to go. */
export async function pendingVdis(sr: FileFamilySR, replaced?: string): Promise<Set<string>> {
  const { reverts, snapshots, resizes } = findLeftovers(await sr.listNames())
  const concerned: (string | undefined)[] = [...reverts, ...snapshots, ...resizes.filter(uuid => uuid !== replaced)]
  for (const target of reverts) {
    const record = await revertJournal(sr, target).read()
    concerned.push(record?.snapshot, record?.base)
  }
  for (const vdi of snapshots) {
    const record = await snapshotJournal(sr, vdi).read()
    concerned.push(record?.destination, record?.base)
  }
  return new Set(concerned.filter(uuid => uuid !== undefined))
}

/**
 * Refuses to touch a disk whose interrupted operation only a scan on the master finishes. `replaced`: its image is about
 * to be replaced, which is what helps where its resize can be neither finished nor taken back.
 * @throws SmError SRUnavailable
 */
export async function refusePendingJournals(
  sr: FileFamilySR,
  vdi: string,
  { replaced = false }: { readonly replaced?: boolean } = {},
): Promise<void> {
  if (!(await sr.isAttached())) return
  if ((await pendingVdis(sr, replaced ? vdi : undefined)).has(vdi)) throw new SmError('SRUnavailable', PENDING)
}
