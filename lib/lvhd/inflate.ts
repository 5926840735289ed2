import type { VolumeJournals } from '../journal/VolumeJournals.ts'
import type { VolumeGroup } from '../lvm/VolumeGroup.ts'
import type { VhdUtil } from '../vhd/VhdUtil.ts'

export interface LvhdTools {
  readonly group: VolumeGroup
  readonly journals: VolumeJournals
  readonly vhd: VhdUtil
}

/**
 * Grows the volume of a VHD to hold `bytes` and moves the footer to its end, under an `inflate` journal (spec lvhd 7). The
 * volume must be active; nothing happens where it is large enough.
 * @throws LvmError `noSpace`, VhdError; the journal stays, for `undoInflate`
 */
export async function inflate(tools: LvhdTools, uuid: string, bytes: number): Promise<void> {
  return notYet(tools, uuid, bytes)
}

/**
 * Cuts the volume of a VHD to what holds `bytes`, after moving the footer there; the volume must be active. Needs no journal:
 * the VHD is valid at each moment (spec lvhd 7). @throws VhdError EINVAL where that would cut into the data
 */
export async function deflate(tools: Omit<LvhdTools, 'journals'>, volume: string, bytes: number): Promise<void> {
  return notYet(tools, volume, bytes)
}

/**
 * Undoes an interrupted `inflate` and removes its journal (spec lvhd 16.1): the volume gets its old size back and a footer
 * at its end. The volume is activated and made writable meanwhile where needed. Without such a VDI only the journal goes.
 */
export async function undoInflate(tools: LvhdTools, uuid: string): Promise<void> {
  return notYet(tools, uuid)
}

function notYet(...args: unknown[]): Promise<never> {
  return Promise.reject(new Error(`not written yet: ${args.length}`))
}
