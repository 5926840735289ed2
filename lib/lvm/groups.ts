import type { Lvm } from './Lvm.ts'

/** A volume group that was found on a device. */
export interface FoundGroup {
  readonly name: string
  /** Bytes. */
  readonly size: number
  readonly devices: readonly string[]
}

/**
 * Makes the group of an SR on devices that have been checked, inactive (spec lvhd 12 "create"). What they held is lost.
 * @throws SmError LVMWrite (54), LVMPartCreate (55), LVMGroupCreate (77), LVMUnMount (53)
 */
export async function createGroup(lvm: Lvm, group: string, devices: readonly string[]): Promise<void> {
  return notYet(lvm, group, devices)
}

/**
 * Removes a group that has no volumes, and its labels (spec lvhd 12 "delete").
 * @throws SmError LVMNoVolume (100), PVSfailed (93) where the devices do not hold the group, LVMDelete (51)
 */
export async function removeGroup(lvm: Lvm, group: string): Promise<void> {
  return notYet(lvm, group)
}

/** Grows the group onto devices that have become larger. Failures are logged only (spec lvhd 5.2). */
export async function growPhysicalVolumes(lvm: Lvm, devices: readonly string[]): Promise<void> {
  return notYet(lvm, devices)
}

/** The SR groups that lie on these devices, by one report (spec lvhd 12 "probe"). Devices that LVM does not know are left out. */
export async function groupsOn(lvm: Lvm, devices: readonly string[]): Promise<FoundGroup[]> {
  return notYet(lvm, devices)
}

function notYet(...args: unknown[]): Promise<never> {
  return Promise.reject(new Error(`not written yet: ${args.length}`))
}
