import path from 'node:path'
import type { ImageType } from '../../lib/datapath/openDisk.ts'
import { placeLink, targetOf } from '../../lib/datapath/links.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import type { HostContext } from '../hostPlugin.ts'

const VG_PREFIX = 'VG_XenStorage-'

/** Names of a volume by what it holds (spec lvhd 2). */
const VOLUMES: readonly (readonly [string, ImageType])[] = [
  ['LV-', 'aio'],
  ['VHD-', 'vhd'],
]

/**
 * The image that the host's name for an active VDI leads to. A volume that was renamed while the VDI was paused, as a
 * snapshot of a raw one is, is found by its other name, and the link corrected (spec datapath 7).
 * @throws SmError VDIUnavailable where there is no image any more
 */
export async function findImage(
  { system }: HostContext,
  link: string,
  { srUuid, vdiUuid }: { readonly srUuid: string; readonly vdiUuid: string },
): Promise<{ path: string; type: ImageType }> {
  const target = await targetOf(system.files, link)
  if (target === undefined) throw new SmError('VDIUnavailable', `${link} is missing`)
  if (await system.files.exists(target)) return { path: target, type: typeOf(target) }
  if (isVolume(target)) {
    for (const [prefix, type] of VOLUMES) {
      const volume = path.join(path.dirname(path.dirname(target)), `${VG_PREFIX}${srUuid}`, `${prefix}${vdiUuid}`)
      if (!(await system.files.exists(volume))) continue
      await placeLink(system.files, link, volume)
      return { path: volume, type }
    }
  }
  throw new SmError('VDIUnavailable', `${path.basename(target)} is missing`)
}

/** Whether an image is a volume of an SR's volume group. */
export function isVolume(image: string): boolean {
  return path.basename(path.dirname(image)).startsWith(VG_PREFIX)
}

function typeOf(image: string): ImageType {
  const name = path.basename(image)
  return name.endsWith('.vhd') || name.startsWith('VHD-') ? 'vhd' : 'aio'
}
