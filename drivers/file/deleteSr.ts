import { SmError } from '../../lib/smapi/SmError.ts'
import { isErrno } from '../../lib/os/files.ts'
import { collectGarbage } from './garbage.ts'
import type { FileFamilySR } from './FileFamilySR.ts'
import { scanDirectory } from './scan.ts'
import { uuidsOfUnknownFormat } from './layout.ts'

/**
 * Empties the directory of an SR that has no disks left (spec file-sr 6.1). Directories in it stay.
 * @throws SmError SRNotEmpty, FileSRDelete
 */
export async function deleteAllFiles(sr: FileFamilySR): Promise<void> {
  await collectGarbage(sr)
  const { names, vhds } = await scanDirectory(sr)
  const holdsDisk = names.some(name => !name.startsWith('.') && (name.endsWith('.raw') || name.endsWith('.cbtlog')))
  if (vhds.length > 0 || holdsDisk) throw new SmError('SRNotEmpty', 'VDIs still exist in SR')
  const [unknown] = uuidsOfUnknownFormat(names)
  if (unknown !== undefined)
    throw new SmError('SRNotEmpty', `a disk image of a format this driver does not know: ${unknown}`)
  for (const name of names) if (isRemovable(name)) await removeFile(sr, name)
}

/** Hidden files are not the SR's, but for a resize journal and what NFS makes of an open file that is removed. */
function isRemovable(name: string): boolean {
  return !name.startsWith('.') || /^\.(journal-|nfs)/.test(name)
}

async function removeFile(sr: FileFamilySR, name: string): Promise<void> {
  try {
    await sr.context.system.files.unlinkIfPresent(sr.file(name))
  } catch (error) {
    if (isErrno(error, 'EISDIR')) return
    throw new SmError('FileSRDelete', error instanceof Error ? error.message : String(error), { cause: error })
  }
}
