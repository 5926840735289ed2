import { vhdError } from './errors.ts'
import { Storage } from './Storage.ts'

/** A logical volume and where its bytes lie. */
export interface MappedVolume {
  readonly name: string
  /** Bytes. */
  readonly size: number
  /** Linear parts, ascending; others are left out. Offsets and lengths are bytes. */
  readonly segments: readonly {
    readonly start: number
    readonly length: number
    readonly device: string
    readonly position: number
  }[]
}

/** Opens a physical volume, once however often it is asked for. */
export type OpenDevice = (device: string) => Promise<Storage>

/** A logical volume read where it lies on its physical volumes, so that it need not be active. Read only. */
export class VolumeStorage extends Storage {
  readonly #volume: MappedVolume
  readonly #open: OpenDevice

  constructor(anyDevice: Storage, volume: MappedVolume, open: OpenDevice) {
    super(anyDevice.file, volume.size, true)
    this.#volume = volume
    this.#open = open
  }

  override get path(): string {
    return this.#volume.name
  }

  override prefetch(): Promise<void> {
    return Promise.resolve()
  }

  override async read(position: number, length: number): Promise<Buffer> {
    const parts: Buffer[] = []
    for (let at = position; at < position + length;) {
      const segment = this.#volume.segments.find(({ start, length: size }) => start <= at && at < start + size)
      if (segment === undefined) throw vhdError('EIO', `${this.path} is not mapped at ${at}`)
      const end = Math.min(position + length, segment.start + segment.length)
      const device = await this.#open(segment.device)
      parts.push(await device.read(segment.position + at - segment.start, end - at))
      at = end
    }
    return Buffer.concat(parts)
  }

  override write(): Promise<void> {
    return Promise.reject(vhdError('EROFS', `${this.path} is only read`))
  }

  /** The devices belong to whoever opened them. */
  override close(): Promise<void> {
    return Promise.resolve()
  }
}
