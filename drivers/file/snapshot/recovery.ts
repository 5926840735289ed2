import { XapiError } from '../../../lib/xapi/XapiClient.ts'
import { mergeSmConfig } from '../../records.ts'
import { unpauseVdi } from '../../pause.ts'
import type { FileFamilySR } from '../FileFamilySR.ts'
import { newVhdName, vhdName } from '../layout.ts'
import { undoSplit } from '../split.ts'
import { snapshotJournal, type SnapshotRecord } from './journal.ts'

/** Finishes (committed) or takes back (otherwise) an interrupted snapshot or clone of a disk. Idempotent. */
export async function recoverSnapshot(sr: FileFamilySR, vdi: string): Promise<void> {
  const journal = snapshotJournal(sr, vdi)
  const record = await journal.read()
  if (record !== undefined) {
    sr.context.log.warn(`interrupted snapshot of VDI ${vdi} (${record.state}): recovering`)
    if (record.state === 'started') await rollBackSnapshot(sr, record)
    const ref = await refOf(sr, vdi)
    if (ref !== undefined && !(await unpauseVdi(sr.context, { ref, uuid: vdi }))) return
  }
  await journal.remove()
}

/** Takes back what a snapshot did on disk and in the database; harmless where it did nothing. */
export async function rollBackSnapshot(sr: FileFamilySR, record: SnapshotRecord): Promise<void> {
  const { files } = sr.context.system
  if (record.destination !== undefined) {
    for (const name of [newVhdName(record.destination), vhdName(record.destination)]) {
      await files.unlinkIfPresent(sr.file(name))
    }
    await forget(sr, record.destination)
  }
  const undone = await undoSplit(sr, { leaf: record.vdi, base: record.base, temporary: 'new' })
  if (undone) await forget(sr, record.base)
  await files.syncDirectory(sr.path)
  await correctParent(sr, record.vdi)
}

async function correctParent(sr: FileFamilySR, vdi: string): Promise<void> {
  const ref = await refOf(sr, vdi)
  if (ref === undefined || !(await sr.context.system.files.exists(sr.file(vhdName(vdi))))) return
  const parent = await (await sr.vhdUtil()).parent(sr.file(vhdName(vdi)))
  const uuid = parent === undefined ? undefined : parent.slice(parent.lastIndexOf('/') + 1).replace(/\.vhd$/, '')
  await mergeSmConfig(sr.context.xapi, ref, { 'vhd-parent': uuid })
}

async function forget(sr: FileFamilySR, uuid: string): Promise<void> {
  const ref = await refOf(sr, uuid)
  if (ref !== undefined) await sr.context.xapi.vdiDbForget(ref)
}

/** The record of a uuid, undefined where there is none. */
export async function refOf(sr: FileFamilySR, uuid: string): Promise<string | undefined> {
  try {
    return await sr.context.xapi.vdiGetByUuid(uuid)
  } catch (error) {
    if (error instanceof XapiError && error.code === 'UUID_INVALID') return undefined
    throw error
  }
}
