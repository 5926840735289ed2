import type { VolumeGroup } from '../lvm/VolumeGroup.ts'
import type { MetadataSr, MetadataVdi } from './metadata.ts'

/** What the volume says. */
export interface Metadata {
  readonly sr: MetadataSr
  /** Entries that are not deleted, by uuid. */
  readonly vdis: ReadonlyMap<string, MetadataVdi>
  /** Byte offsets of entries that cannot be understood. They are left as they are. */
  readonly broken: readonly number[]
}

/**
 * The metadata volume `MGT` of an SR, in the reference's format (spec lvhd 9). It is activated where it is not. Each change
 * is one write of an entry, flushed, and then the header where the length changes: cut off anywhere, the old state
 * or the new one is read. All methods throw SmError MetadataError (181) where the volume cannot be understood.
 */
export class MetadataVolume {
  readonly #group: VolumeGroup

  constructor(group: VolumeGroup) {
    this.#group = group
  }

  async exists(): Promise<boolean> {
    return notYet(this.#group)
  }

  /** Makes the volume, or rewrites it, with all entries. The header is written last. */
  async create(sr: MetadataSr, vdis: readonly MetadataVdi[]): Promise<void> {
    return notYet(sr, vdis)
  }

  async read(): Promise<Metadata> {
    return notYet()
  }

  /** Whether another VDI fits. Writes nothing. */
  async hasRoom(): Promise<boolean> {
    return notYet()
  }

  /** Adds an entry, in the place of a deleted one where there is one; one of the same uuid is replaced. */
  async add(vdi: MetadataVdi): Promise<void> {
    return notYet(vdi)
  }

  /** Changes elements of an entry. @throws SmError MetadataError (181) where there is none */
  async update(uuid: string, changes: Partial<Omit<MetadataVdi, 'uuid'>>): Promise<void> {
    return notYet(uuid, changes)
  }

  /** Deletes an entry; nothing happens where there is none. */
  async delete(uuid: string): Promise<void> {
    return notYet(uuid)
  }

  async updateSr(names: Pick<MetadataSr, 'nameLabel' | 'nameDescription'>): Promise<void> {
    return notYet(names)
  }

  /** Removes the volume; nothing happens where there is none. */
  async remove(): Promise<void> {
    return notYet()
  }
}

function notYet(...args: unknown[]): Promise<never> {
  return Promise.reject(new Error(`not written yet: ${args.length}`))
}
