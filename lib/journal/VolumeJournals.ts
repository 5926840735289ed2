import type { VolumeGroup } from '../lvm/VolumeGroup.ts'

/** Types of the reference's journals (spec lvhd 8.1). Others are left alone. */
export type JournalType = 'inflate' | 'clone' | 'coalesce' | 'relink' | 'leaf' | 'zero'

/** The journal of one VDI. `value` is undefined where the volume does not hold one: the operation had not begun. */
export interface VolumeJournal {
  readonly type: string
  readonly id: string
  readonly value: string | undefined
}

/**
 * Journals as logical volumes in the reference's format (spec lvhd 8): `<type>_<id>_<value>`, tag `journaler`; the value of
 * `clone` and `leaf` journals, and any that is too long for a name, is inside. One per type and id.
 */
export class VolumeJournals {
  readonly #group: VolumeGroup

  constructor(group: VolumeGroup) {
    this.#group = group
  }

  /** Whether any journal names this VDI: an operation on it was interrupted. Opens nothing. @throws SmError LVMNoVolume (100) */
  async has(id: string): Promise<boolean> {
    return notYet(this.#group, id)
  }

  /** All journals of a type, by id. @throws SmError LVMRead (117) where one cannot be read at all */
  async ofType(type: JournalType): Promise<Map<string, VolumeJournal>> {
    return notYet(type)
  }

  /**
   * Writes a journal; when this returns it is durable and live. One whose value is inside becomes live by a rename, after
   * its value was written and flushed (spec lvhd 8.3).
   * @throws SmError LVMCreate (50) where there is one, LVMWrite (54); LvmError
   */
  async create(type: JournalType, id: string, value: string): Promise<void> {
    return notYet(type, id, value)
  }

  /** Removes a journal: one atomic step. @throws SmError LVMNoVolume (100) where there is none; LvmError */
  async remove(type: JournalType, id: string): Promise<void> {
    return notYet(type, id)
  }

  /** Removes journals that never became live, ours and the reference's (spec lvhd 8.3): first thing a master command does. */
  async removeTorn(): Promise<void> {
    return notYet()
  }

  /** VDIs with a journal of vhd-util's own for a resize (`jvhd_<uuid>`). */
  async resizes(): Promise<string[]> {
    return notYet()
  }
}

function notYet(...args: unknown[]): Promise<never> {
  return Promise.reject(new Error(`not written yet: ${args.length}`))
}
