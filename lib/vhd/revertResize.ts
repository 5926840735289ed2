import { type Files, isErrno } from '../os/files.ts'
import { vhdError } from './errors.ts'
import { changeFooter, decodeFooter, type Footer } from './footer.ts'
import { endFooterOffset, writeFooters } from './footers.ts'
import { FOOTER_SIZE } from './layout.ts'
import { ENTRY, type JournalEntry, openJournal, removeJournal, type ResizeJournal } from './ResizeJournal.ts'
import { openStorage, type Storage } from './Storage.ts'
import { usingVhd } from './VhdImage.ts'

/**
 * Undoes an interrupted journaled resize and removes the journal (spec vhd 7.10, 9.4). Where the growth itself was
 * finished only the clean-up is; where it had not begun only the journal goes. May be interrupted and repeated.
 * Throws EINVAL for a bad journal or one of another disk, ENOENT and EPIPE for a missing or cut one: nothing is changed then.
 */
export async function revertResizeOf(files: Files, file: string, journalPath: string): Promise<void> {
  const journal = await openJournal(files, journalPath).catch(async (error: unknown) => {
    if (isErrno(error, 'EPIPE') && (await isUntouched(files, file))) return undefined
    throw error
  })
  if (journal !== undefined) await follow(files, file, journal).finally(() => journal.close())
  await removeJournal(files, journalPath)
}

async function follow(files: Files, file: string, journal: ResizeJournal): Promise<void> {
  if (journal.isCommitted) return finishGrowth(files, file, journal)
  if (!(await isUntouched(files, file, journal))) return undoGrowth(files, file, journal)
}

/** Before anything else changes both footers are poisoned, and both stay so until the journal is committed. */
async function isUntouched(files: Files, file: string, journal?: ResizeJournal): Promise<boolean> {
  const storage = await openStorage(files, file, false)
  try {
    const { copy, end } = await readFooters(storage)
    if (journal !== undefined) requireSameDisk(copy ?? end, journal, file)
    return copy?.poisoned === false && end?.poisoned !== true
  } finally {
    await storage.close()
  }
}

async function finishGrowth(files: Files, file: string, journal: ResizeJournal): Promise<void> {
  await usingVhd(files, file, { write: true, allowPoisoned: true }, async image => {
    requireSameDisk(image.footer, journal, file)
    await writeFooters(image, changeFooter(image.footer, { poisoned: false }), await endFooterOffset(image))
    await image.storage.sync()
  })
}

async function undoGrowth(files: Files, file: string, journal: ResizeJournal): Promise<void> {
  const storage = await openStorage(files, file, true)
  try {
    const footer = await verify(journal, storage)
    for await (const entry of journal.entries()) await restore(storage, entry, journal)
    await storage.setLength(journal.footerOffset + FOOTER_SIZE)
    await storage.sync()
    // Of a volume that has grown since, the last sector is what counts as its footer, and it may be poisoned.
    if (storage.isDevice) await storage.write(footer.raw, storage.size - FOOTER_SIZE)
    await storage.write(footer.raw, journal.footerOffset)
    await storage.write(footer.raw, 0)
    await storage.sync()
  } finally {
    await storage.close()
  }
}

/** Reads the whole journal before anything is written; returns the footer to end with. */
async function verify(journal: ResizeJournal, storage: Storage): Promise<Footer> {
  const end = journal.footerOffset + FOOTER_SIZE
  if (end > storage.size) throw vhdError('EINVAL', `${storage.path} is shorter than ${journal.path} says`)
  let footer: Footer | undefined
  for await (const { type, offset, bytes } of journal.entries()) {
    if (offset + bytes.length > end) {
      throw vhdError('EINVAL', `${journal.path}: an entry lies outside ${storage.path}`)
    }
    if (type === ENTRY.footerCopy) footer = decodeFooter(bytes)
  }
  if (footer === undefined) throw vhdError('EINVAL', `${journal.path} holds no valid footer`)
  return changeFooter(footer, { poisoned: false })
}

/** Footers go back poisoned: until everything is restored nobody may open the disk. */
async function restore(storage: Storage, { type, offset, bytes }: JournalEntry, journal: ResizeJournal): Promise<void> {
  if (type !== ENTRY.endFooter && type !== ENTRY.footerCopy) return storage.write(bytes, offset)
  const footer = decodeFooter(bytes)
  if (footer === undefined) throw vhdError('EINVAL', `${journal.path}: an invalid footer`)
  const place = type === ENTRY.endFooter ? journal.footerOffset : 0
  return storage.write(changeFooter(footer, { poisoned: true }).raw, place)
}

async function readFooters(storage: Storage): Promise<{ copy: Footer | undefined; end: Footer | undefined }> {
  if (storage.size < FOOTER_SIZE) throw vhdError('EIO', `${storage.path} is too short for a VHD`)
  const copy = decodeFooter(await storage.read(0, FOOTER_SIZE))
  const end = decodeFooter(await storage.read(storage.size - FOOTER_SIZE, FOOTER_SIZE))
  // While blocks move, the last sector may be a guest's: only the footer of this disk counts.
  return { copy, end: copy === undefined || copy.uuid === end?.uuid ? end : undefined }
}

function requireSameDisk(footer: Footer | undefined, journal: ResizeJournal, file: string): void {
  if (footer?.uuid === journal.uuid) return
  throw vhdError('EINVAL', `journal ${journal.path} belongs to another disk than ${file}`)
}
