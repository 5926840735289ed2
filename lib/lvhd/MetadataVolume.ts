import type { VolumeGroup } from '../lvm/VolumeGroup.ts'
import { usingReader, type VolumeReader } from '../lvm/VolumeReader.ts'
import { isErrno } from '../os/files.ts'
import { SmError } from '../smapi/SmError.ts'
import {
  decodeEntry,
  decodeHeader,
  decodeSr,
  encodeEntry,
  encodeHeader,
  encodeSr,
  encodeSrNames,
  ENTRIES_START,
  ENTRY_SIZE,
  HEADER_SIZE,
  isBlank,
  type MetadataEntry,
  type MetadataSr,
  type MetadataVdi,
  NAMES_START,
} from './metadata.ts'
import { METADATA_VOLUME } from './names.ts'
import { SMALL_VOLUME } from './sizes.ts'

/** What the volume says. */
export interface Metadata {
  readonly sr: MetadataSr
  /** Entries that are not deleted, by uuid. */
  readonly vdis: ReadonlyMap<string, MetadataVdi>
  /** Byte offsets of entries that cannot be read or understood. They are left as they are. */
  readonly broken: readonly number[]
}

type Slot = MetadataEntry & { readonly offset: number }

interface Content {
  /** Size of the volume. */
  readonly size: number
  /** Bytes in use. */
  readonly length: number
  readonly slots: readonly Slot[]
}

/**
 * The metadata volume `MGT` of an SR, in the reference's format (spec lvhd 9). It is read where it lies, active or not, and
 * activated for a change. A change is one write of an entry, flushed, and after it the header where the length changes:
 * cut off anywhere, the old state or the new one is read. All methods throw SmError MetadataError (181) where the
 * volume cannot be understood, and LvmError.
 */
export class MetadataVolume {
  readonly #group: VolumeGroup

  constructor(group: VolumeGroup) {
    this.#group = group
  }

  /** False also for a volume that was made and never written: `create` finishes it. */
  async exists(): Promise<boolean> {
    if ((await this.#group.volume(METADATA_VOLUME)) === undefined) return false
    return !isBlank(await this.#using(read => read(0, HEADER_SIZE)))
  }

  /** Makes the volume where there is none, and writes all entries. The header is written last: without it there is nothing. */
  async create(sr: MetadataSr, vdis: readonly MetadataVdi[]): Promise<void> {
    const content = Buffer.concat([encodeSr(sr), ...vdis.map(vdi => encodeEntry(vdi))])
    const length = HEADER_SIZE + content.length
    if (length > SMALL_VOLUME) throw new SmError('MetadataError', `no room for ${vdis.length} VDIs`)
    if ((await this.#group.volume(METADATA_VOLUME)) === undefined) {
      await this.#group.create(METADATA_VOLUME, SMALL_VOLUME)
    }
    await this.#write([Buffer.alloc(HEADER_SIZE, ' '), 0], [content, HEADER_SIZE], [encodeHeader(length), 0])
  }

  async read(): Promise<Metadata> {
    const sr = decodeSr(await this.#using(read => read(HEADER_SIZE, ENTRIES_START - HEADER_SIZE)))
    const { slots } = await this.#content()
    const vdis = slots.flatMap(slot => (slot.state === 'live' ? [[slot.vdi.uuid, slot.vdi] as const] : []))
    return { sr, vdis: new Map(vdis), broken: slots.flatMap(slot => (slot.state === 'broken' ? [slot.offset] : [])) }
  }

  /** Whether so many more VDIs fit. Writes nothing. */
  async hasRoom(count = 1): Promise<boolean> {
    const { slots, length, size } = await this.#content()
    const reusable = slots.filter(({ state }) => state === 'deleted').length
    return length + Math.max(0, count - reusable) * ENTRY_SIZE <= size
  }

  /**
   * Adds an entry, in the place of a deleted one where there is one; an entry of the same uuid is replaced.
   * @throws SmError MetadataError (181) where there is no room
   */
  async add(vdi: MetadataVdi): Promise<void> {
    const { slots, length, size } = await this.#content()
    const slot = liveSlot(slots, vdi.uuid) ?? slots.find(({ state }) => state === 'deleted')
    if (slot !== undefined) {
      await this.#write([encodeEntry(vdi, { offset: slot.offset }), slot.offset])
      return
    }
    if (length + ENTRY_SIZE > size) throw new SmError('MetadataError', 'no room for another VDI')
    await this.#write([encodeEntry(vdi), length], [encodeHeader(length + ENTRY_SIZE), 0])
  }

  /** Changes elements of an entry. @throws SmError MetadataError (181) where there is none */
  async update(uuid: string, changes: Partial<Omit<MetadataVdi, 'uuid'>>): Promise<void> {
    const slot = liveSlot((await this.#content()).slots, uuid)
    if (slot === undefined) throw new SmError('MetadataError', `VDI ${uuid} is not in the metadata`)
    await this.#write([encodeEntry({ ...slot.vdi, ...changes }, { offset: slot.offset }), slot.offset])
  }

  /** Deletes an entry; nothing happens where there is none, nor where there is no volume. */
  async delete(uuid: string): Promise<void> {
    if ((await this.#group.volume(METADATA_VOLUME)) === undefined) return
    const { slots, length } = await this.#content()
    const slot = liveSlot(slots, uuid)
    if (slot === undefined) return
    const entry = encodeEntry(slot.vdi, { deleted: true, offset: slot.offset })
    const isLast = slot.offset + ENTRY_SIZE === length
    await this.#write([entry, slot.offset], ...(isLast ? ([[encodeHeader(length - ENTRY_SIZE), 0]] as const) : []))
  }

  async updateSr(names: Pick<MetadataSr, 'nameLabel' | 'nameDescription'>): Promise<void> {
    await this.#content()
    await this.#write([encodeSrNames(names), NAMES_START])
  }

  /** Removes the volume; nothing happens where there is none. */
  async remove(): Promise<void> {
    if ((await this.#group.volume(METADATA_VOLUME)) !== undefined) await this.#group.remove(METADATA_VOLUME)
  }

  async #content(): Promise<Content> {
    const { size } = await this.#volume()
    return this.#using(async read => {
      const stated = decodeHeader(await read(0, HEADER_SIZE))
      const count = Math.floor((Math.min(stated, size) - ENTRIES_START) / ENTRY_SIZE)
      const length = ENTRIES_START + count * ENTRY_SIZE
      return { size, length, slots: await readSlots(read, count) }
    })
  }

  async #volume(): Promise<{ size: number }> {
    const volume = await this.#group.volume(METADATA_VOLUME)
    if (volume === undefined) throw new SmError('MetadataError', `there is no volume ${METADATA_VOLUME}`)
    return volume
  }

  async #using<T>(body: (read: Read) => Promise<T>): Promise<T> {
    await this.#volume()
    const volume = await this.#group.mapped(METADATA_VOLUME)
    return usingReader(this.#group.lvm.deps.system.files, async (reader: VolumeReader) =>
      body((position, length) => reader.read(volume, position, length)),
    )
  }

  /** One write after the other, each durable before the next. */
  async #write(...writes: readonly (readonly [bytes: Buffer, position: number])[]): Promise<void> {
    const { files } = this.#group.lvm.deps.system
    const path = this.#group.path(METADATA_VOLUME)
    if (!(await files.exists(path))) await this.#group.activate([METADATA_VOLUME])
    await files.using(files.openWrite(path), async file => {
      for (const [bytes, position] of writes) {
        await file.write(bytes, position)
        await file.sync()
      }
    })
  }
}

type Read = (position: number, length: number) => Promise<Buffer>

/** At once, and one by one where part of the disk cannot be read: a bad sector takes only its own entry. */
async function readSlots(read: Read, count: number): Promise<Slot[]> {
  const whole = await readUnlessBad(read, ENTRIES_START, count * ENTRY_SIZE)
  const slots: Slot[] = []
  for (let index = 0; index < count; index += 1) {
    const offset = ENTRIES_START + index * ENTRY_SIZE
    const at = index * ENTRY_SIZE
    const bytes = whole?.subarray(at, at + ENTRY_SIZE) ?? (await readUnlessBad(read, offset, ENTRY_SIZE))
    slots.push({ ...(bytes === undefined ? { state: 'broken' as const } : decodeEntry(bytes)), offset })
  }
  return slots
}

async function readUnlessBad(read: Read, position: number, length: number): Promise<Buffer | undefined> {
  try {
    return await read(position, length)
  } catch (error) {
    if (isErrno(error, 'EIO')) return undefined
    throw error
  }
}

function liveSlot(slots: readonly Slot[], uuid: string): { offset: number; vdi: MetadataVdi } | undefined {
  for (const slot of slots) if (slot.state === 'live' && slot.vdi.uuid === uuid) return slot
  return undefined
}
