import path from 'node:path'
import { type Files, isErrno } from '../os/files.ts'
import type { Paths } from '../os/paths.ts'

/** The name that `params_nbd` gives consumers; it leads to the socket while the VDI is active (spec datapath 3). */
export function nbdLink(paths: Paths, srUuid: string, vdiUuid: string): string {
  return path.join(paths.nbdLinks, srUuid, vdiUuid)
}

/** The name of the image of a VDI that is active (spec datapath 3). */
export function phyLink(paths: Paths, srUuid: string, vdiUuid: string): string {
  return path.join(paths.devPhy, srUuid, vdiUuid)
}

/** Where a link leads; undefined where there is none. */
export async function targetOf(files: Files, link: string): Promise<string | undefined> {
  try {
    return await files.readlink(link)
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return undefined
    throw error
  }
}

/** Makes a link lead to `target`, in one step where there was another one. */
export async function placeLink(files: Files, link: string, target: string): Promise<void> {
  if ((await targetOf(files, link)) === target) return
  await files.makeDirectory(path.dirname(link), { mode: 0o755, recursive: true })
  const temporary = `${link}.new`
  await files.unlinkIfPresent(temporary)
  await files.symlink(target, temporary)
  await files.rename(temporary, link)
}

/** Names of the links of one SR: uuids of VDIs. */
export async function linkNames(files: Files, base: string, srUuid: string): Promise<string[]> {
  try {
    return (await files.list(path.join(base, srUuid))).filter(name => !name.endsWith('.new'))
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return []
    throw error
  }
}
