import { MetadataVolume, type Metadata } from '../../lib/lvhd/MetadataVolume.ts'
import type { FoundGroup } from '../../lib/lvm/groups.ts'
import type { Lvm } from '../../lib/lvm/Lvm.ts'
import { srOfGroup } from '../../lib/lvm/names.ts'
import { VolumeGroup } from '../../lib/lvm/VolumeGroup.ts'
import { probeDocument, type ProbeElement } from '../probeXml.ts'

/**
 * What sr_probe answers about the groups that were found: those of SRs, and with `metadata` what their metadata volumes say,
 * read where they lie (spec lvhd 12).
 */
export async function probeAnswer(
  lvm: Lvm,
  groups: readonly FoundGroup[],
  options: { readonly metadata: boolean },
): Promise<string> {
  const list: ProbeElement[] = []
  for (const group of groups) {
    const uuid = srOfGroup(group.name)
    if (uuid === undefined) continue
    const known = { UUID: uuid, Devlist: group.devices.join(','), size: String(group.size) }
    list.push(['SR', Object.entries(options.metadata ? { ...known, ...(await describe(lvm, group.name)) } : known)])
  }
  return probeDocument(['SRlist', list])
}

async function describe(lvm: Lvm, group: string): Promise<Record<string, string>> {
  const metadata = await readMetadata(lvm, group)
  const holdsPool = [...(metadata?.vdis.values() ?? [])].some(vdi => vdi.type === 'metadata' && !vdi.isASnapshot)
  return {
    name_label: metadata?.sr.nameLabel ?? '',
    name_description: metadata?.sr.nameDescription ?? '',
    pool_metadata_detected: String(holdsPool),
  }
}

/** An SR can be found though its metadata volume is missing or damaged. */
async function readMetadata(lvm: Lvm, group: string): Promise<Metadata | undefined> {
  try {
    return await new MetadataVolume(new VolumeGroup(lvm, group)).read()
  } catch (error) {
    lvm.deps.log.warn(`the metadata volume of ${group} is not read: ${String(error)}`)
    return undefined
  }
}
