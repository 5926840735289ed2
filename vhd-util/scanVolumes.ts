import { VolumeStorage } from '../lib/lvhd/VolumeStorage.ts'
import { type MappedVolume, VolumeReader } from '../lib/lvm/VolumeReader.ts'
import type { System } from '../lib/os/system.ts'
import { vhdError } from '../lib/vhd/errors.ts'
import { decodeFooter } from '../lib/vhd/footer.ts'
import { FOOTER_SIZE, HEADER_SIZE } from '../lib/vhd/layout.ts'
import { ZERO_UUID } from '../lib/vhd/uuid.ts'
import { readVhd, type VhdImage } from '../lib/vhd/VhdImage.ts'
import { patternToRegExp } from './pattern.ts'
import { facts, type FileScanOptions, markerOf } from './scanFiles.ts'
import {
  orFailure,
  type ScanFailure,
  type ScanParent,
  type ScanRow,
  type ScanSource,
  type ScanTarget,
  step,
} from './scanRow.ts'
import { listVolumes } from './volumeGroup.ts'

const ENOENT = 2

/** Scans the volumes of a group where they lie on its physical volumes (spec vhd 7.13, LVM mode). */
export class VolumeSource implements ScanSource {
  readonly #volumes: ReadonlyMap<string, MappedVolume>
  readonly #options: FileScanOptions
  readonly #reader: VolumeReader

  constructor(system: Pick<System, 'files'>, volumes: readonly MappedVolume[], options: FileScanOptions) {
    this.#reader = new VolumeReader(system.files)
    this.#volumes = new Map(volumes.map(volume => [volume.name, volume]))
    this.#options = options
  }

  /** The volumes that match the filter, in LVM's order, then those named. */
  targets(filter: string | undefined, names: readonly string[]): ScanTarget[] {
    const matches = filter === undefined ? undefined : patternToRegExp(filter, { extended: true })
    const found = [...this.#volumes.keys()].filter(name => matches?.test(name) === true)
    return [...found, ...names].map(name => ({ name, key: name, raw: false }))
  }

  async read(target: ScanTarget): Promise<ScanRow | ScanFailure> {
    const volume = this.#volumes.get(target.key)
    if (volume === undefined) return { target, errno: ENOENT, message: 'failure scanning target' }
    if (target.raw) return { target, capacity: volume.size, size: volume.size, hidden: 1 }
    return orFailure(target, this.#readVhd(target, volume))
  }

  missing(target: ScanTarget): Promise<number | undefined> {
    return Promise.resolve(this.#volumes.has(target.key) ? undefined : ENOENT)
  }

  close(): Promise<void> {
    return this.#reader.close()
  }

  async #readVhd(target: ScanTarget, volume: MappedVolume): Promise<ScanRow> {
    const image = await this.#openVhd(volume)
    return {
      target,
      ...facts(image),
      ...(this.#options.markers ? { marker: await step('checking markers', markerOf(image)) } : {}),
      ...(image.isDifferencing ? { parent: parentOf(image) } : {}),
    }
  }

  async #openVhd(volume: MappedVolume): Promise<VhdImage> {
    if (volume.size < 2 * FOOTER_SIZE + HEADER_SIZE) await step('device too small', tooSmall(volume))
    const storage = await step('opening device', VolumeStorage.open(this.#reader, volume))
    const footer = decodeFooter(await step('reading headers', storage.read(0, FOOTER_SIZE)))
    const reading = readVhd(storage, { backupFooter: this.#options.fast, allowPoisoned: true, allowTruncated: true })
    return step(footer === undefined ? 'invalid footer' : 'reading header', reading)
  }
}

/** Lists the volumes of a group. Throws EINVAL where it is unknown. */
export async function openVolumeGroup(
  system: Pick<System, 'files' | 'run'>,
  group: string,
  options: FileScanOptions,
): Promise<VolumeSource> {
  return new VolumeSource(system, await listVolumes(system.run, group), options)
}

function parentOf({ header }: VhdImage): ScanParent {
  const name = volumeName(header.parentName)
  return { name, target: { name, key: name, raw: header.parentUuid === ZERO_UUID } }
}

/** The volume's own name within a device-mapper name, where every `-` of group and volume is doubled (spec vhd 4.3). */
function volumeName(mapperName: string): string {
  const [, volume] = /^(?:[^-]|--)+-((?:[^-]|--)+)$/.exec(mapperName) ?? []
  return (volume ?? mapperName).replaceAll('--', '-')
}

function tooSmall({ name }: MappedVolume): Promise<never> {
  return Promise.reject(vhdError('EINVAL', `${name} is too small`))
}
