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

/** What all journals of a group concern. */
export interface Concerned {
  /** Uuids that they name, in their names or inside. */
  readonly uuids: ReadonlySet<string>
  /** False where one cannot be read: it may name others. */
  readonly isComplete: boolean
}

const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g
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
 * `clone` and `leaf` journals, and any that is too long for a name, is inside. One per type and id. One that cannot be
 * understood is told to the log and left alone; it stands in the way of what it names and of nothing else.
 */
export class VolumeJournals {
  readonly #group: VolumeGroup
  /** What the log has been told. */
  readonly #told = new Set<string>()

  constructor(group: VolumeGroup) {
    this.#group = group
  }

  /** Whether any journal of any type is that of this VDI: an operation on it was interrupted. Opens nothing. */
  async has(id: string): Promise<boolean> {
    if ((await this.resizes()).includes(id)) return true
    return (await this.#tagged()).some(name => parseName(name)?.id === id || uuidsIn(name).includes(id))
  }

  /** Every disk that a journal names, of any type or of these, be it as its own, as a base or as a parent. */
  async concerned(types?: readonly JournalType[]): Promise<Concerned> {
    const uuids = new Set(types === undefined ? await this.resizes() : [])
    let isComplete = true
    for (const name of await this.#tagged()) {
      const journal = parseName(name)
      if (types !== undefined && journal !== undefined && !types.some(type => type === journal.type)) continue
      for (const uuid of uuidsIn(name)) uuids.add(uuid)
      if (journal === undefined || !INSIDE_TYPES.has(journal.type)) continue
      const read = await this.#readUnlessBad(journal)
      const inside = uuidsIn(read?.value ?? '')
      for (const uuid of inside) uuids.add(uuid)
      // Without any value the operation had not begun.
      isComplete &&= read !== undefined && (read.value === undefined || inside.length > 0)
    }
    return { uuids, isComplete }
  }

  /** All journals of a type that can be read, by id. @throws LvmError */
  async ofType(type: JournalType): Promise<Map<string, VolumeJournal>> {
    const read = new Map<string, VolumeJournal>()
    for (const found of await this.#all()) {
      const journal = found.type === type ? await this.#readUnlessBad(found) : undefined
      if (journal !== undefined) read.set(journal.id, journal)
    }
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
      if (journal.type === UNBORN || (await this.#isTorn(journal))) torn.push(journal.volume)
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

  /** With the text of the name as value. */
  async #all(): Promise<VolumeJournal[]> {
    return (await this.#tagged()).flatMap(name => {
      const journal = parseName(name)
      if (journal === undefined) this.#tell(`${name} is tagged as a journal and is none`)
      return journal ?? []
    })
  }

  #tell(text: string): void {
    if (!this.#told.has(text)) this.#group.lvm.deps.log.error(text)
    this.#told.add(text)
  }

  async #tagged(): Promise<string[]> {
    const { volumes } = await this.#group.report()
    return [...volumes.values()].flatMap(volume => (kindOf(volume).kind === 'journal' ? [volume.name] : []))
  }

  async #find(type: string, id: string): Promise<VolumeJournal | undefined> {
    return (await this.#all()).find(journal => journal.type === type && journal.id === id)
  }

  /** As the reference counts: blanks and dashes of the journal's own name are not doubled here. */
  #fitsInName(name: string): boolean {
    return this.#group.name.replaceAll('-', '--').length + 1 + name.length <= MAX_MAPPER_NAME
  }

  async #isTorn(journal: VolumeJournal): Promise<boolean> {
    if (!INSIDE_TYPES.has(journal.type)) return false
    const read = await this.#readUnlessBad(journal)
    return read !== undefined && read.value === undefined
  }

  /** Undefined, logged, where the disk does not deliver the value. */
  async #readUnlessBad(journal: VolumeJournal): Promise<VolumeJournal | undefined> {
    if (!INSIDE_TYPES.has(journal.type)) return journal
    try {
      return { ...journal, value: await this.#readValue(journal.volume) }
    } catch (error) {
      if (!(error instanceof SmError) || error.errorName !== 'LVMRead') throw error
      this.#tell(`${error.message}: ${String(error.cause)}`)
      return undefined
    }
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

/** Undefined for a name that is none of a journal. */
function parseName(volume: string): VolumeJournal | undefined {
  const [, type, id, value] = /^([^_]*)_([^_]*)_(.*)$/.exec(volume) ?? []
  return type === undefined || id === undefined ? undefined : { type, id, value, volume }
}

function uuidsIn(text: string): readonly string[] {
  return text.match(UUID) ?? []
}

/** The value of `<length> <value>`, undefined where the bytes do not begin so. */
function parseValue(bytes: Buffer): string | undefined {
  const [, digits = ''] = /^(\d{1,3}) /.exec(bytes.toString('latin1')) ?? []
  const start = digits.length + 1
  const end = start + Number(digits)
  return digits === '' || end > bytes.length ? undefined : bytes.toString('utf8', start, end)
}
