import type { Files } from '../os/files.ts'
import { asVhdError, vhdError } from './errors.ts'
import { identify, type VhdIdentity } from './inspect.ts'
import { readKeyHash } from './modify.ts'
import { FOOTER_SIZE } from './layout.ts'
import { inParallel } from './parallel.ts'
import { openStorage, Storage } from './Storage.ts'
import { readVhd, type OpenOptions, type VhdImage } from './VhdImage.ts'
import { VhdError, type VhdScanError, type VhdScanRow } from './VhdUtil.ts'
import { type MappedVolume, VolumeStorage } from './VolumeStorage.ts'

const PARALLEL = 32

/**
 * Reads VHDs in logical volumes where they lie on the physical ones, so that none of them has to be active (spec vhd 7.13,
 * LVM mode). What was on the devices when the first volume was read is what is seen; `close` ends it.
 */
export class VolumeReader {
  readonly #files: Files
  readonly #devices = new Map<string, Promise<Storage>>()

  constructor(files: Files) {
    this.#files = files
  }

  /** One row per volume, in their order; one that is no readable VHD is a row with its error. Names are those of volumes. */
  async scan(volumes: readonly MappedVolume[]): Promise<(VhdScanRow | VhdScanError)[]> {
    const rows: (VhdScanRow | VhdScanError)[] = []
    await inParallel(volumes.entries(), PARALLEL, async ([index, volume]) => {
      rows[index] = await this.#scanOne(volume)
    })
    return rows
  }

  /** What one image says of itself. Throws as `inspectVhd`. */
  inspect(volume: MappedVolume): Promise<VhdIdentity> {
    return this.#read(volume, { backupFooter: true }, identify)
  }

  /** End of data + 512: what the volume needs at least (spec vhd 5). Bytes. Throws as `inspectVhd`. */
  physicalSize(volume: MappedVolume): Promise<number> {
    return this.#read(volume, { backupFooter: true }, endOfImage)
  }

  async close(): Promise<void> {
    const opened = await Promise.allSettled(this.#devices.values())
    this.#devices.clear()
    for (const device of opened) if (device.status === 'fulfilled') await device.value.close()
  }

  async #scanOne(volume: MappedVolume): Promise<VhdScanRow | VhdScanError> {
    try {
      return await this.#read(volume, { backupFooter: true, allowPoisoned: true, allowTruncated: true }, rowOf)
    } catch (error) {
      if (error instanceof VhdError) return { name: volume.name, error }
      throw error
    }
  }

  async #read<T>(volume: MappedVolume, options: OpenOptions, body: (image: VhdImage) => Promise<T>): Promise<T> {
    return asVhdError(volume.name, async () => {
      const [first] = volume.segments
      if (first?.start !== 0) throw vhdError('EINVAL', `${volume.name} is not linear`)
      const storage = new VolumeStorage(await this.#open(first.device), volume, name => this.#open(name))
      return body(await readVhd(storage, options))
    })
  }

  #open(device: string): Promise<Storage> {
    const opened = this.#devices.get(device) ?? openDevice(this.#files, device)
    this.#devices.set(device, opened)
    return opened
  }
}

/** Only a block device has volumes on it; its own size is of no interest. */
async function openDevice(files: Files, device: string): Promise<Storage> {
  const storage = await openStorage(files, device, false)
  await storage.close()
  return new Storage(await files.openFresh(device), storage.size, true)
}

async function rowOf(image: VhdImage): Promise<VhdScanRow> {
  return {
    name: image.path,
    virtualSize: image.virtualSize,
    physicalSize: image.storage.size,
    hidden: image.footer.hidden !== 0,
    parentName: image.isDifferencing ? image.header.parentName : undefined,
    keyHash: await readKeyHash(image),
  }
}

async function endOfImage(image: VhdImage): Promise<number> {
  if (image.isFixed) return image.virtualSize + FOOTER_SIZE
  return image.endOfData(await image.readTable(), await image.readBatmap()) + FOOTER_SIZE
}
