import type { Files } from '../os/files.ts'
import { isErrno } from '../os/files.ts'
import { isIqn } from './names.ts'

const FIRMWARE = '/sys/firmware/ibft'

/** Where open-iscsi keeps its records: XCP-ng, and Debian up to 12. */
const DATABASES = ['/var/lib/iscsi', '/etc/iscsi']

/** The directories that have records; `$SM_ISCSI_DATABASE` says which where it is neither of the usual ones. */
export async function recordDatabases(files: Files): Promise<string[]> {
  const setting = process.env['SM_ISCSI_DATABASE']
  const candidates = setting === undefined || setting === '' ? DATABASES : [setting]
  const found: string[] = []
  for (const candidate of candidates) if (await files.exists(`${candidate}/nodes`)) found.push(candidate)
  return found
}

/** IQNs of the targets that this host was booted from. Nothing of theirs is ever ended or overwritten. */
export async function bootTargets(files: Files): Promise<Set<string>> {
  const targets = new Set<string>()
  for (const name of await listOrNone(files, FIRMWARE)) {
    if (!name.startsWith('target')) continue
    const iqn = (await files.readText(`${FIRMWARE}/${name}/target-name`)).trim()
    if (isIqn(iqn)) targets.add(iqn)
  }
  return targets
}

async function listOrNone(files: Files, directory: string): Promise<string[]> {
  try {
    return await files.list(directory)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return []
    throw error
  }
}
