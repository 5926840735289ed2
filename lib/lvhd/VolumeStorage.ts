import type { MappedVolume, VolumeReader } from '../lvm/VolumeReader.ts'
import { vhdError } from '../vhd/errors.ts'
import { Storage } from '../vhd/Storage.ts'

/** Footer copy and header lie here, and are read at once, bytes. */
const HEAD = 4096

/** A logical volume read where it lies on its physical volumes, so that it need not be active. Read only. */
export class VolumeStorage extends Storage {
  readonly #volume: MappedVolume
  readonly #reader: VolumeReader
  readonly #head: Buffer

  private constructor(reader: VolumeReader, volume: MappedVolume, opened: { file: Storage['file']; head: Buffer }) {
    super(opened.file, volume.size, true)
    this.#reader = reader
    this.#volume = volume
    this.#head = opened.head
  }

  /** Opens the disk that the volume begins on and reads its start. Throws EINVAL for a volume that is not linear there, EIO. */
  static async open(reader: VolumeReader, volume: MappedVolume): Promise<VolumeStorage> {
    const [first] = volume.segments
    if (first?.start !== 0) throw vhdError('EINVAL', `${volume.name} is not linear`)
    const file = await reader.device(first.device)
    return new VolumeStorage(reader, volume, { file, head: await reader.read(volume, 0, Math.min(HEAD, volume.size)) })
  }

  override get path(): string {
    return this.#volume.name
  }

  /** It is there already. */
  override prefetch(): Promise<void> {
    return Promise.resolve()
  }

  override async read(position: number, length: number): Promise<Buffer> {
    const end = position + length
    if (end > this.#volume.size) throw vhdError('EIO', `${this.path} ends before ${end}`)
    if (end <= this.#head.length) return Buffer.from(this.#head.subarray(position, end))
    return this.#reader.read(this.#volume, position, length)
  }

  override write(): Promise<never> {
    return Promise.reject(vhdError('EROFS', `${this.path} is only read`))
  }

  /** The disks belong to the reader. */
  override close(): Promise<void> {
    return Promise.resolve()
  }
}
