import { SmError } from '../smapi/SmError.ts'

const GROUP_PREFIX = 'VG_XenStorage-'

/** The device-mapper takes names of up to this many characters. */
export const MAX_MAPPER_NAME = 127

/** What LVM itself accepts as a name, and no option. */
const LVM_NAME = /^(?!-)(?!\.{1,2}$)[A-Za-z0-9+_.-]+$/

/** The volume group of an LVHD SR (spec lvhd 1). */
export function groupName(srUuid: string): string {
  return `${GROUP_PREFIX}${srUuid}`
}

/** The SR whose volume group this is, undefined for any other group. */
export function srOfGroup(group: string): string | undefined {
  return group.startsWith(GROUP_PREFIX) ? group.slice(GROUP_PREFIX.length) : undefined
}

/** Namespace of the SR's refcounts and volume locks: `lvm-<sr uuid>` (spec lvhd 1). */
export function volumeNamespace(srUuid: string): string {
  return `lvm-${srUuid}`
}

/** `/dev/<group>/<volume>`; there only while the volume is active. */
export function volumePath(group: string, volume: string): string {
  return `/dev/${requireLvmName(group)}/${requireLvmName(volume)}`
}

/** Name of a volume in the device-mapper: every `-` of both names is doubled (spec lvhd 1). */
export function mapperName(group: string, volume: string): string {
  return `${requireLvmName(group).replaceAll('-', '--')}-${requireLvmName(volume).replaceAll('-', '--')}`
}

/** `/dev/mapper/<mapper name>`. */
export function mapperPath(group: string, volume: string): string {
  return `/dev/mapper/${mapperName(group, volume)}`
}

/** Group and volume of a device-mapper name, undefined where it is none of a logical volume. */
export function parseMapperName(name: string): { group: string; volume: string } | undefined {
  const [, group, volume] = /^((?:[^-]|--)+)-((?:[^-]|--)+)$/.exec(name) ?? []
  if (group === undefined || volume === undefined) return undefined
  return { group: group.replaceAll('--', '-'), volume: volume.replaceAll('--', '-') }
}

/** Returns a name that may be given to LVM. @throws SmError LVMNoVolume (100) for anything else */
export function requireLvmName(name: string): string {
  if (!LVM_NAME.test(name)) throw new SmError('LVMNoVolume', `${JSON.stringify(name)} is no LVM name`)
  return name
}
