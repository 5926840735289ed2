import { isErrno } from '../../lib/os/files.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import type { FileFamilySR } from '../file/FileFamilySR.ts'

const RESULT_FILE = 'sm-hardlink.conf'

/** A share that cannot be written to is no SR. @throws SmError SharedFileSystemNoWrite */
export async function requireWritable(sr: FileFamilySR): Promise<void> {
  const { files, newUuid } = sr.context.system
  const probe = sr.file(newUuid())
  try {
    await (await files.create(probe, { exclusive: true })).close()
    await files.unlink(probe)
  } catch (error) {
    throw new SmError('SharedFileSystemNoWrite', undefined, { cause: error })
  }
}

/**
 * Finds out once for all hosts whether the share has hard links, and keeps the answer in it (spec file-sr 6.3, item 7).
 * A share without them is usable; the administrator is told by a message.
 */
export async function testHardLinks(sr: FileFamilySR): Promise<void> {
  const { files } = sr.context.system
  if (await isKnown(sr)) return
  const hasThem = await canLink(sr)
  await files.using(files.create(sr.file(RESULT_FILE)), file => file.write(Buffer.from(hasThem ? '1' : '0'), 0))
  if (!hasThem) await tell(sr)
}

async function isKnown(sr: FileFamilySR): Promise<boolean> {
  try {
    return /^\s*\d+\s*$/.test(await sr.context.system.files.readText(sr.file(RESULT_FILE)))
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
}

async function canLink(sr: FileFamilySR): Promise<boolean> {
  const { files, newUuid } = sr.context.system
  const probe = sr.file(newUuid())
  await (await files.create(probe, { exclusive: true })).close()
  try {
    await files.link(probe, `${probe}.new`)
    return true
  } catch (error) {
    sr.context.log.warn(`no hard links on the share of SR ${sr.uuid}: ${String(error)}`)
    return false
  } finally {
    await files.unlinkIfPresent(`${probe}.new`)
    await files.unlinkIfPresent(probe)
  }
}

async function tell(sr: FileFamilySR): Promise<void> {
  try {
    await sr.context.xapi.messageCreate({
      name: 'sr_does_not_support_hardlinks',
      priority: 2,
      className: 'SR',
      objectUuid: sr.uuid,
      body: `The file system of SR ${sr.uuid} has no hard links: snapshots replace names in two steps instead of one.`,
    })
  } catch (error) {
    sr.context.log.warn(`no message about missing hard links could be made: ${String(error)}`)
  }
}
