import type { Files } from '../os/files.ts'
import { vhdError } from './errors.ts'
import { changeFooter, decodeFooter, type Footer } from './footer.ts'
import { endFooterOffset, writeFooters } from './footers.ts'
import { FOOTER_SIZE } from './layout.ts'
import { ENTRY, type JournalEntry, openJournal, type ResizeJournal } from './ResizeJournal.ts'
import { openStorage, type Storage } from './Storage.ts'
import { usingVhd } from './VhdImage.ts'

/**
 * Undoes an interrupted journaled resize and removes the journal (spec vhd 7.10, 9.4). Where the growth itself was
 * finished only the clean-up is. May be interrupted and repeated.
 * Throws EINVAL for a bad journal or one of another disk, ENOENT and EPIPE for a missing or cut one: nothing is changed then.
 */
export async function revertResizeOf(files: Files, file: string, journalPath: string): Promise<void> {
  const journal = await openJournal(files, journalPath)
  try {
    if (journal.isCommitted) await finishGrowth(files, file, journal)
    else await undoGrowth(files, file, journal)
  } finally {
    await journal.close()
  }
  await files.unlink(journalPath)
}

async function finishGrowth(files: Files, file: string, journal: ResizeJournal): Promise<void> {
  await usingVhd(files, file, { write: true, allowPoisoned: true }, async image => {
    requireSameDisk(image.footer, journal, file)
    if (!image.footer.poisoned) return
    await writeFooters(image, changeFooter(image.footer, { poisoned: false }), await endFooterOffset(image))
    await image.storage.sync()
  })
}

async function undoGrowth(files: Files, file: string, journal: ResizeJournal): Promise<void> {
  const storage = await openStorage(files, file, true)
  try {
    requireSameDisk(await readAnyFooter(storage), journal, file)
    const footer = await verify(journal, storage)
    for await (const entry of journal.entries()) await restore(storage, entry, journal)
    await storage.setLength(journal.footerOffset + FOOTER_SIZE)
    await storage.sync()
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

/** The copy at 0 first: while blocks move, the last sector may be data. */
async function readAnyFooter(storage: Storage): Promise<Footer> {
  for (const offset of [0, storage.size - FOOTER_SIZE]) {
    const footer = decodeFooter(await storage.read(offset, FOOTER_SIZE))
    if (footer !== undefined) return footer
  }
  throw vhdError('EINVAL', `${storage.path} has no valid footer`)
}

function requireSameDisk({ uuid }: Footer, journal: ResizeJournal, file: string): void {
  if (uuid !== journal.uuid) throw vhdError('EINVAL', `journal ${journal.path} belongs to another disk than ${file}`)
}
