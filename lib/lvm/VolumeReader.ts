import type { Files } from '../os/files.ts'
import type { OpenFile } from '../os/OpenFile.ts'
import { errnoError } from '../os/effects.ts'
import type { LogicalVolume, Segment } from './report.ts'

/** The part of a volume's report by which it can be read. */
export type MappedVolume = Pick<LogicalVolume, 'name' | 'size'> & { readonly segments: readonly Segment[] }

/**
 * Reads volumes where they lie on the physical volumes, active or not, without changing anything. Past the page cache: what
 * was written through an active volume is in the cache of that volume, and what is in this host's cache of the disk may
 * be older. Writers have to sync.
 */
export class VolumeReader {
  readonly #files: Files
  readonly #devices = new Map<string, Promise<OpenFile>>()

  constructor(files: Files) {
    this.#files = files
  }

  /** Reads exactly `length` bytes. Throws EIO where the volume is not mapped or ends before, errno errors of the disks. */
  async read(volume: MappedVolume, position: number, length: number): Promise<Buffer> {
    const parts: Buffer[] = []
    for (let at = position; at < position + length;) {
      const segment = volume.segments.find(({ start, length: size }) => start <= at && at < start + size)
      if (segment === undefined) throw errnoError('EIO', `${volume.name} is not mapped at ${at}`)
      const wanted = Math.min(position + length, segment.start + segment.length) - at
      const device = await this.device(segment.device)
      const part = await device.read(segment.position + at - segment.start, wanted)
      if (part.length < wanted) throw errnoError('EIO', `${segment.device} ends within ${volume.name}`)
      parts.push(part)
      at += wanted
    }
    return Buffer.concat(parts)
  }

  /** Opens a physical volume, once however often it is asked for. */
  async device(path: string): Promise<OpenFile> {
    const opened = this.#devices.get(path) ?? this.#files.openDirect(path)
    this.#devices.set(path, opened)
    return opened
  }

  async close(): Promise<void> {
    const devices = await Promise.allSettled(this.#devices.values())
    for (const device of devices) if (device.status === 'fulfilled') await device.value.close()
  }
}

/** Opens, runs `body`, closes whatever happens. */
export async function usingReader<T>(files: Files, body: (reader: VolumeReader) => Promise<T>): Promise<T> {
  const reader = new VolumeReader(files)
  try {
    return await body(reader)
  } finally {
    await reader.close()
  }
}
