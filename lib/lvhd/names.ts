import path from 'node:path'
import type { LogicalVolume } from '../lvm/report.ts'
import { parseMapperName } from '../lvm/names.ts'

const VHD_PREFIX = 'VHD-'
const RAW_PREFIX = 'LV-'
const RESIZE_JOURNAL_PREFIX = 'jvhd_'

/** The metadata volume (spec lvhd 9). */
export const METADATA_VOLUME = 'MGT'
export const JOURNAL_TAG = 'journaler'
export const RESIZE_JOURNAL_TAG = 'jvhd'
export const CBT_TAG = 'cbtlog'
/** Marks a raw volume that is hidden; a VHD says so in its footer. */
export const HIDDEN_TAG = 'hidden'

export type VdiType = 'vhd' | 'aio'

/** What a volume is, by its name and tags (spec lvhd 4.2). */
export type VolumeKind =
  | { readonly kind: VdiType; readonly uuid: string }
  | { readonly kind: 'journal' }
  | { readonly kind: 'resizeJournal'; readonly uuid: string }
  | { readonly kind: 'cbtLog'; readonly uuid: string }
  | { readonly kind: 'metadata' }
  | { readonly kind: 'other' }

/** The volume of a VHD VDI. */
export const vhdVolume = (uuid: string): string => `${VHD_PREFIX}${uuid}`
/** The volume of a raw VDI. */
export const rawVolume = (uuid: string): string => `${RAW_PREFIX}${uuid}`
export const volumeOf = (type: VdiType, uuid: string): string => (type === 'vhd' ? vhdVolume(uuid) : rawVolume(uuid))
/** vhd-util's own journal of a resize. */
export const resizeJournalVolume = (uuid: string): string => `${RESIZE_JOURNAL_PREFIX}${uuid}`
/** What a trim makes over all free space, for a moment (spec lvhd 20). */
export const trimVolume = (srUuid: string): string => `${srUuid}_trim_lv`
export const cbtVolume = (uuid: string): string => `${uuid}.cbtlog`

/** Classifies a volume (spec lvhd 4.2). Uuids are not checked: `VHD-OLD_<uuid>` is the VHD `OLD_<uuid>`. */
export function kindOf({ name, tags }: Pick<LogicalVolume, 'name' | 'tags'>): VolumeKind {
  if (name.startsWith(VHD_PREFIX)) return { kind: 'vhd', uuid: name.slice(VHD_PREFIX.length) }
  if (name.startsWith(RAW_PREFIX)) return { kind: 'aio', uuid: name.slice(RAW_PREFIX.length) }
  if (tags.includes(JOURNAL_TAG)) return { kind: 'journal' }
  if (tags.includes(RESIZE_JOURNAL_TAG)) {
    return { kind: 'resizeJournal', uuid: name.slice(name.indexOf('_') + 1) }
  }
  if (tags.includes(CBT_TAG)) return { kind: 'cbtLog', uuid: name.replace(/\..*$/, '') }
  return { kind: name === METADATA_VOLUME ? 'metadata' : 'other' }
}

/**
 * The VDI that a parent's name or path means (spec lvhd 4.3): `/dev/mapper/VG_XenStorage--…-VHD--…`, `/dev/VG_…/VHD-…`
 * or the bare names. Undefined where it names no VDI.
 */
export function vdiOfPath(file: string): { type: VdiType; uuid: string } | undefined {
  const base = path.basename(file)
  const volume = base.startsWith('VG_XenStorage-') ? parseMapperName(base)?.volume : base
  const found = kindOf({ name: volume ?? '', tags: [] })
  return found.kind === 'vhd' || found.kind === 'aio' ? { type: found.kind, uuid: found.uuid } : undefined
}
