import { JOURNAL_TAG, kindOf } from '../lvhd/names.ts'
import { SMALL_VOLUME } from '../lvhd/sizes.ts'
import { MAX_MAPPER_NAME, requireLvmName } from '../lvm/names.ts'
import type { VolumeGroup } from '../lvm/VolumeGroup.ts'
import { usingReader, type VolumeReader } from '../lvm/VolumeReader.ts'
import type { System } from '../os/system.ts'
import { SmError } from '../smapi/SmError.ts'

/** Types of the reference's journals (spec lvhd 8.1). Others are left alone. */
export type JournalType = 'inflate' | 'clone' | 'coalesce' | 'relink' | 'leaf' | 'zero'

/** The journal of one VDI. `value` is undefined where the volume holds none: the operation had not begun. */
export interface VolumeJournal {
  readonly type: string
  readonly id: string
  readonly value: string | undefined
  readonly volume: string
}

/** A journal whose value is inside has this in its name's place. */
const VALUE_INSIDE = '1'
/** Types whose value is always inside. */
const INSIDE_TYPES: ReadonlySet<string> = new Set<JournalType>(['clone', 'leaf'])
/** Bytes at the start of the volume: `<length> <value>`, padded with blanks. */
const VALUE_BYTES = 512
/** Type of a journal that is not live yet: no implementation knows it. */
const UNBORN = 'tmp'

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
    const { volumes } = await this.#group.report()
    const resized = [...volumes.values()].some(volume => {
      const kind = kindOf(volume)
      return kind.kind === 'resizeJournal' && kind.uuid === id
    })
    return resized || (await this.#all()).some(journal => journal.id === id)
  }

  /** All journals of a type, by id. @throws SmError LVMNoVolume (100) for a name that is none, LVMRead (117); LvmError */
  async ofType(type: JournalType): Promise<Map<string, VolumeJournal>> {
    const found = (await this.#all()).filter(journal => journal.type === type)
    const read = new Map<string, VolumeJournal>()
    for (const journal of found) read.set(journal.id, await this.#withValue(journal))
    return read
  }

  /**
   * Writes a journal; when this returns it is durable and live. One whose value is inside becomes live by a rename, after
   * its value was written and flushed (spec lvhd 8.3).
   * @throws SmError LVMCreate (50) where there is one, LVMWrite (54); LvmError
   */
  async create(type: JournalType, id: string, value: string): Promise<void> {
    if ((await this.#find(type, id)) !== undefined)
      throw new SmError('LVMCreate', `journal already exists: ${type}_${id}`)
    const name = requireLvmName(`${type}_${id}_${value}`)
    const isInside = INSIDE_TYPES.has(type) || !this.#fitsInName(name)
    if (!isInside) {
      await this.#group.create(name, SMALL_VOLUME, [JOURNAL_TAG])
      return
    }
    const unborn = `${UNBORN}_${this.#system.newUuid()}_${VALUE_INSIDE}`
    await this.#group.create(unborn, SMALL_VOLUME, [JOURNAL_TAG])
    await this.#writeValue(unborn, value)
    await this.#group.rename(unborn, `${type}_${id}_${VALUE_INSIDE}`)
  }

  /** Removes a journal: one atomic step. @throws SmError LVMNoVolume (100) where there is none; LvmError */
  async remove(type: JournalType, id: string): Promise<void> {
    const journal = await this.#find(type, id)
    if (journal === undefined) throw new SmError('LVMNoVolume', `no journal ${type}_${id}`)
    await this.#group.remove(journal.volume)
  }

  /**
   * Removes journals that never became live, ours and the reference's (spec lvhd 8.3): first thing a master command does.
   * Costs no process where there are none and no journal with its value inside.
   */
  async removeTorn(): Promise<void> {
    const torn: string[] = []
    for (const journal of await this.#all()) {
      const isTorn =
        journal.type === UNBORN ||
        (INSIDE_TYPES.has(journal.type) && (await this.#withValue(journal)).value === undefined)
      if (isTorn) torn.push(journal.volume)
    }
    if (torn.length > 0) await this.#group.remove(...torn)
  }

  /** VDIs with a journal of vhd-util's own for a resize (`jvhd_<uuid>`). */
  async resizes(): Promise<string[]> {
    const { volumes } = await this.#group.report()
    return [...volumes.values()].flatMap(volume => {
      const kind = kindOf(volume)
      return kind.kind === 'resizeJournal' ? [kind.uuid] : []
    })
  }

  get #system(): System {
    return this.#group.lvm.deps.system
  }

  /** With the text of the name as value. @throws SmError LVMNoVolume (100) for a tagged volume whose name is none of a journal */
  async #all(): Promise<VolumeJournal[]> {
    const { volumes } = await this.#group.report()
    return [...volumes.values()].flatMap(volume => {
      if (kindOf(volume).kind !== 'journal') return []
      const [, type, id, value] = /^([^_]*)_([^_]*)_(.*)$/.exec(volume.name) ?? []
      if (type === undefined || id === undefined) throw new SmError('LVMNoVolume', `bad journal name: ${volume.name}`)
      return [{ type, id, value, volume: volume.name }]
    })
  }

  async #find(type: string, id: string): Promise<VolumeJournal | undefined> {
    return (await this.#all()).find(journal => journal.type === type && journal.id === id)
  }

  /** As the reference counts: blanks and dashes of the journal's own name are not doubled here. */
  #fitsInName(name: string): boolean {
    return this.#group.name.replaceAll('-', '--').length + 1 + name.length <= MAX_MAPPER_NAME
  }

  async #withValue(journal: VolumeJournal): Promise<VolumeJournal> {
    return INSIDE_TYPES.has(journal.type) ? { ...journal, value: await this.#readValue(journal.volume) } : journal
  }

  /** From the disk itself: a journal that nobody has active needs not be activated for it. */
  async #readValue(name: string): Promise<string | undefined> {
    const volume = await this.#group.mapped(name)
    try {
      const read = (reader: VolumeReader) => reader.read(volume, 0, VALUE_BYTES)
      return parseValue(await usingReader(this.#system.files, read))
    } catch (error) {
      throw new SmError('LVMRead', `failed to read journal ${name}`, { cause: error })
    }
  }

  async #writeValue(volume: string, value: string): Promise<void> {
    const { files } = this.#system
    const bytes = Buffer.alloc(VALUE_BYTES, ' ')
    try {
      if (bytes.write(`${value.length} ${value}`) < value.length + 2) throw new Error('the value is too long')
      await files.using(files.openWrite(this.#group.path(volume)), async file => {
        await file.write(bytes, 0)
        await file.sync()
      })
    } catch (error) {
      await this.#group.remove(volume)
      throw new SmError('LVMWrite', `failed to write journal ${volume}`, { cause: error })
    }
  }
}

/** The value of `<length> <value>`, undefined where the bytes do not begin so. */
function parseValue(bytes: Buffer): string | undefined {
  const [, digits = ''] = /^(\d{1,3}) /.exec(bytes.toString('latin1')) ?? []
  const start = digits.length + 1
  const end = start + Number(digits)
  return digits === '' || end > bytes.length ? undefined : bytes.toString('utf8', start, end)
}
