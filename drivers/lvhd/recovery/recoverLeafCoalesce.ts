import { deflate } from '../../../lib/lvhd/inflate.ts'
import { HIDDEN_TAG, rawVolume, vhdVolume } from '../../../lib/lvhd/names.ts'
import { SmError } from '../../../lib/smapi/SmError.ts'
import { findVdi, forgetVdi, mergeSmConfig } from '../../records.ts'
import type { LvhdFamilySR } from '../LvhdFamilySR.ts'
import { notePause } from '../pauses.ts'
import { otherHostsOf } from '../snapshot/makeLeaves.ts'
import { inflateIfRoom } from './inflateIfRoom.ts'

/**
 * Settles a merge of a leaf into its parent that the garbage collector was stopped in (spec gc 10): as long as the parent
 * has its name, or the leaf's old image is there, it goes back, which is safe because the leaf's data were never changed;
 * else it was done but for the journal. The journal goes last.
 * @throws SmError VDIUnavailable where the leaf has no image; LvmError, VhdError
 */
export async function recoverLeafCoalesce(sr: LvhdFamilySR, leaf: string, parent: string): Promise<void> {
  const { group } = sr
  const [hasRaw, hasVhd] = [await group.volume(rawVolume(parent)), await group.volume(vhdVolume(parent))]
  const hasOld = (await group.volume(vhdVolume(`OLD_${leaf}`))) !== undefined
  const goesBack = hasRaw !== undefined || hasVhd !== undefined || hasOld
  sr.context.log.warn(`VDI ${leaf}: an interrupted merge into ${parent}; ${goesBack ? 'going back' : 'finishing it'}`)
  if (goesBack) await goBack(sr, leaf, parent)
  else await finish(sr, leaf, parent)
  await notePause(sr, leaf)
  await sr.journals.remove('leaf', leaf)
}

async function goBack(sr: LvhdFamilySR, leaf: string, parent: string): Promise<void> {
  const { group, context } = sr
  const old = vhdVolume(`OLD_${leaf}`)
  const parentVolume = await restoreParentName(sr, leaf, parent)
  if ((await group.volume(vhdVolume(leaf))) === undefined && (await group.volume(old)) !== undefined) {
    await group.rename(old, vhdVolume(leaf))
  }
  const vhd = await sr.vhdUtil()
  await group.setWritable(parentVolume, true)
  await sr.activator.hold([
    { uuid: parent, volume: parentVolume },
    { uuid: leaf, volume: vhdVolume(leaf) },
  ])
  await vhd.setHidden(group.path(vhdVolume(leaf)), false)
  if (parentVolume === vhdVolume(parent)) {
    await deflate({ group, vhd }, parentVolume, await vhd.physicalSize(group.path(parentVolume)))
    await vhd.setHidden(group.path(parentVolume), true)
  } else {
    await group.setTag(parentVolume, HIDDEN_TAG, true)
  }
  await group.setWritable(parentVolume, false)
  if ((await sr.allocation()) === 'thick') await inflateIfRoom(sr, leaf)
  const ref = await findVdi(context.xapi, leaf)
  if (ref === undefined) return
  await mergeSmConfig(context.xapi, ref, { vdi_type: 'vhd', 'vhd-parent': parent })
  await sr.tellHosts(otherHostsOf(sr, await context.xapi.vdiGetSmConfig(ref)), [
    { action: 'deactivateNoRefcount', lvName: old },
    { action: 'deactivateNoRefcount', lvName: vhdVolume(leaf) },
    { action: 'refresh', lvName: vhdVolume(leaf) },
    { action: 'refresh', lvName: parentVolume },
  ])
}

/** The parent may bear the leaf's name already; returns the name of its volume. @throws SmError VDIUnavailable */
async function restoreParentName(sr: LvhdFamilySR, leaf: string, parent: string): Promise<string> {
  const { group } = sr
  for (const named of [vhdVolume, rawVolume]) {
    if ((await group.volume(named(parent))) !== undefined) return named(parent)
  }
  for (const named of [rawVolume, vhdVolume]) {
    if ((await group.volume(named(leaf))) === undefined) continue
    await group.rename(named(leaf), named(parent))
    return named(parent)
  }
  throw new SmError('VDIUnavailable', `neither VDI ${leaf} nor its parent ${parent} has a volume`)
}

async function finish(sr: LvhdFamilySR, leaf: string, parent: string): Promise<void> {
  const { group, context } = sr
  const volume = (await group.volume(vhdVolume(leaf))) ?? (await group.volume(rawVolume(leaf)))
  if (volume === undefined) throw new SmError('VDIUnavailable', `VDI ${leaf} has no volume`)
  if ((await sr.allocation()) === 'thick') await inflateIfRoom(sr, leaf)
  await sr.metadata.delete(parent)
  await forgetVdi(context.xapi, parent)
  const ref = await findVdi(context.xapi, leaf)
  if (ref === undefined) return
  const hosts = otherHostsOf(sr, await context.xapi.vdiGetSmConfig(ref))
  await sr.tellHosts(hosts, [{ action: 'refresh', lvName: volume.name }])
}
