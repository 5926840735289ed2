import type { Lvm } from './Lvm.ts'

/**
 * Makes sure that an active volume has its name under `/dev/<group>`: where udev forgot it, the link is made
 * (spec lvhd 5.5). @throws SmError VDIUnavailable (46) where the volume is not mapped after all
 */
export async function ensureLink(lvm: Lvm, group: string, volume: string): Promise<void> {
  return notYet(lvm, group, volume)
}

/**
 * Removes what a volume that is gone or inactive left in the device-mapper and under /dev (spec lvhd 5.5). Costs nothing
 * where nothing was left. @throws LvmError where the mapping is in use
 */
export async function clearMapping(lvm: Lvm, group: string, volume: string): Promise<void> {
  return notYet(lvm, group, volume)
}

/**
 * Removes every mapping of a group's volumes and its directory, without asking LVM: for `sr_detach` and `sr_delete`
 * (spec lvhd 5.5, 12). @throws LvmError `inUse` where one is open; nothing after it is removed then
 */
export async function clearGroupMappings(lvm: Lvm, group: string): Promise<void> {
  return notYet(lvm, group)
}

function notYet(...args: unknown[]): Promise<never> {
  return Promise.reject(new Error(`not written yet: ${args.length}`))
}
