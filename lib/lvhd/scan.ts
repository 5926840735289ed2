import type { VolumeGroup } from '../lvm/VolumeGroup.ts'
import type { VdiType } from './names.ts'

/** What a VHD on a volume says of itself, read without activating it. Sizes in bytes. */
export interface ScannedVhd {
  readonly uuid: string
  readonly volume: string
  readonly virtualSize: number
  /** Size of the volume. */
  readonly volumeSize: number
  readonly hidden: boolean
  readonly parent: { readonly type: VdiType; readonly uuid: string } | undefined
  readonly keyHash: string | undefined
}

/** A volume that should hold a VHD and holds none that can be read. */
export interface UnreadableVhd {
  readonly uuid: string
  readonly volume: string
  readonly error: Error
}

/**
 * Reads the VHDs of a group where they lie on its physical volumes, active or not, past every cache, without any process
 * (spec lvhd 4.4, vhd 7.13). By default all; with `uuids` those and their ancestors.
 */
export async function scanVhds(
  group: VolumeGroup,
  options: { readonly uuids?: readonly string[] } = {},
): Promise<Map<string, ScannedVhd | UnreadableVhd>> {
  return notYet(group, options)
}

function notYet(...args: unknown[]): Promise<never> {
  return Promise.reject(new Error(`not written yet: ${args.length}`))
}
