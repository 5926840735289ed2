import type { LogicalVolume } from '../lvm/report.ts'
import type { VolumeGroup } from '../lvm/VolumeGroup.ts'
import { usingReader, type MappedVolume, type VolumeReader } from '../lvm/VolumeReader.ts'
import { asVhdError, vhdError } from '../vhd/errors.ts'
import { readKeyHash } from '../vhd/modify.ts'
import { inParallel } from '../vhd/parallel.ts'
import { readVhd } from '../vhd/VhdImage.ts'
import { VhdError } from '../vhd/VhdUtil.ts'
import { kindOf, vdiOfPath, type VdiType, vhdVolume } from './names.ts'
import { VolumeStorage } from './VolumeStorage.ts'

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
  readonly error: VhdError
}

/** Volumes read at a time. */
const PARALLEL = 16

/**
 * Reads the VHDs of a group where they lie on its physical volumes, active or not, past every cache, without any process
 * (spec lvhd 4.4, vhd 7.13 `-f`). By default all; with `uuids` those and their ancestors, and a uuid without a VHD volume is
 * left out. A VHD that cannot be read, or whose parent has a name that is no VDI's, does not hinder the others.
 * @throws SmError SRUnavailable (47); LvmError
 */
export async function scanVhds(
  group: VolumeGroup,
  options: { readonly uuids?: readonly string[] } = {},
): Promise<Map<string, ScannedVhd | UnreadableVhd>> {
  const volumes = await mappedVhds(group)
  const found = new Map<string, ScannedVhd | UnreadableVhd>()
  await usingReader(group.lvm.deps.system.files, async reader => {
    let next = new Set(options.uuids ?? volumes.keys())
    while (next.size > 0) {
      const batch = [...next].filter(uuid => volumes.has(uuid) && !found.has(uuid))
      const rows = await scanBatch(reader, batch, volumes)
      for (const [uuid, row] of rows) found.set(uuid, row)
      next = new Set([...rows.values()].flatMap(row => (isUnreadable(row) ? [] : (row.parent?.uuid ?? []))))
    }
  })
  return found
}

export function isUnreadable(row: ScannedVhd | UnreadableVhd): row is UnreadableVhd {
  return 'error' in row
}

/** Asks LVM again where a volume was made or resized since the report. */
async function mappedVhds(group: VolumeGroup): Promise<Map<string, MappedVolume>> {
  const known = vhdsOf((await group.report()).volumes)
  if (![...known.values()].every(isMapped)) group.forget()
  const volumes = vhdsOf((await group.report()).volumes)
  return new Map([...volumes].map(([uuid, volume]) => [uuid, { ...volume, segments: volume.segments ?? [] }]))
}

function vhdsOf(volumes: ReadonlyMap<string, LogicalVolume>): Map<string, LogicalVolume> {
  const vhds = new Map<string, LogicalVolume>()
  for (const volume of volumes.values()) {
    const kind = kindOf(volume)
    if (kind.kind === 'vhd') vhds.set(kind.uuid, volume)
  }
  return vhds
}

function isMapped({ segments }: LogicalVolume): boolean {
  return segments !== undefined
}

async function scanBatch(
  reader: VolumeReader,
  uuids: readonly string[],
  volumes: ReadonlyMap<string, MappedVolume>,
): Promise<Map<string, ScannedVhd | UnreadableVhd>> {
  const rows = new Map<string, ScannedVhd | UnreadableVhd>()
  await inParallel(uuids, PARALLEL, async uuid => {
    const volume = volumes.get(uuid)
    if (volume !== undefined) rows.set(uuid, await scanOne(reader, uuid, volume))
  })
  return new Map([...rows].sort(([a], [b]) => (a < b ? -1 : 1)))
}

async function scanOne(reader: VolumeReader, uuid: string, volume: MappedVolume): Promise<ScannedVhd | UnreadableVhd> {
  try {
    return await asVhdError(volume.name, () => readRow(reader, uuid, volume))
  } catch (error) {
    if (error instanceof VhdError) return { uuid, volume: volume.name, error }
    throw error
  }
}

async function readRow(reader: VolumeReader, uuid: string, volume: MappedVolume): Promise<ScannedVhd> {
  const storage = await VolumeStorage.open(reader, volume)
  const image = await readVhd(storage, { backupFooter: true, allowPoisoned: true, allowTruncated: true })
  return {
    uuid,
    volume: vhdVolume(uuid),
    virtualSize: image.virtualSize,
    volumeSize: volume.size,
    hidden: image.footer.hidden !== 0,
    parent: image.isDifferencing ? parentOf(image.header.parentName, volume.name) : undefined,
    keyHash: await readKeyHash(image),
  }
}

/** A parent is a volume of the same group by its name alone: where its path leads is of no interest (spec lvhd 4.3). */
function parentOf(name: string, child: string): { type: VdiType; uuid: string } {
  const parent = vdiOfPath(name)
  if (parent === undefined) throw vhdError('EINVAL', `${child} has the parent ${JSON.stringify(name)}, which is no VDI`)
  return parent
}
