import type { Activation } from '../../lib/lvm/Activator.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import { readDisks, type Disk } from './disks.ts'
import type { LvhdVDI } from './LvhdVDI.ts'
import { giveBack, givesRoomBack, isDeflated, provision } from './provisioning.ts'

/**
 * Makes a disk's volumes usable on this host, for whoever serves its data: the leaf gets its full size where it is to be
 * written to, and it and its ancestors are active until `closeVolumes` (spec lvhd 7, 14). Nothing happens where they are.
 * The caller may hold the lock of the VDI; the SR lock is only waited for with a limit.
 * @returns the device of the leaf
 * @throws SmError VDIUnavailable, LVMProvisionAttach where there is no room for the full size; HeldUpError where the SR
 * stays busy
 */
export async function openVolumes(vdi: LvhdVDI, { writable }: { readonly writable: boolean }): Promise<string> {
  const { sr } = vdi
  await sr.requireSettled(vdi.uuid)
  const disk = await vdi.read()
  if (writable && isDeflated(disk)) await provision(vdi)
  const [leaf, ...ancestors] = await chainOf(vdi)
  if (leaf === undefined) throw new SmError('VDIUnavailable', 'LV not found')
  await sr.activator.attach(leaf, ancestors)
  sr.activator.persist()
  return sr.group.path(leaf.volume)
}

/**
 * Undoes `openVolumes`, once nobody has the volumes open: they are unmapped, and a leaf of a thin SR or of a snapshot gives
 * back the room it does not need (spec lvhd 14), where that can be done. Nothing happens where they are not in use.
 * @throws SmError VDIUnavailable; LvmError
 */
export async function closeVolumes(vdi: LvhdVDI): Promise<void> {
  const { sr } = vdi
  const disk = await vdi.read()
  const [leaf, ...ancestors] = await chainOf(vdi)
  if (leaf === undefined) return
  const isOpen = (await sr.references.read(vdi.uuid)).binary === 1
  const givesBack = isOpen && (await givesRoomBack(vdi, disk))
  // The master cuts it under its own mapping, which saves mapping it again; any other host lets go of it first.
  const { isMaster } = sr.context.request
  if (givesBack && isMaster) await giveBack(vdi)
  await sr.activator.detach(leaf, ancestors)
  if (givesBack && !isMaster) await giveBack(vdi)
}

/** @throws SmError VDIUnavailable where an ancestor is missing */
async function chainOf({ sr, uuid }: LvhdVDI): Promise<Activation[]> {
  const { disks } = await readDisks(sr, [uuid])
  const chain: Activation[] = []
  for (let next: string | undefined = uuid; next !== undefined;) {
    const disk: Disk | undefined = disks.get(next)
    if (disk === undefined || chain.some(({ uuid: earlier }) => earlier === next)) {
      throw new SmError('VDIUnavailable', `the chain of VDI ${uuid} ends at ${next}`)
    }
    chain.push({ uuid: next, volume: disk.volume.name })
    next = disk.parent
  }
  return chain
}
