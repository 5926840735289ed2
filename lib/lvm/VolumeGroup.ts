import type { Lvm } from './Lvm.ts'
import { isLvmError } from './LvmError.ts'
import { clearMapping, ensureLink } from './mapping.ts'
import { mapperPath, requireLvmName, srOfGroup, volumeNamespace, volumePath } from './names.ts'
import { type GroupReport, type LogicalVolume, reportGroup } from './report.ts'
import type { MappedVolume } from './VolumeReader.ts'
import { SmError } from '../smapi/SmError.ts'

const MIB = 1024 * 1024

/** LVM itself waits about 5 s for whoever holds a volume open; after that it is asked once more. */
const IN_USE_TRIES = 2

interface Known extends Omit<GroupReport, 'volumes' | 'free'> {
  free: number
  readonly volumes: Map<string, LogicalVolume>
}

/**
 * One volume group during one call. LVM is asked once for all there is to know; what this object changes it remembers,
 * so that no second report is needed. Who changes metadata must be the only one to do so: it holds the SR lock on the
 * master. After a failed command nothing is believed any more: the next question makes a new report.
 *
 * Every method that runs LVM throws `LvmError`; one on a volume that the group does not have throws it with reason `missing`
 * or acts as told. Sizes are bytes, rounded up to whole extents by LVM.
 */
export class VolumeGroup {
  readonly lvm: Lvm
  readonly name: string
  #known: Known | undefined
  /** Volumes that this object mapped itself: their mapping is up to date. */
  readonly #fresh = new Set<string>()

  constructor(lvm: Lvm, name: string) {
    this.lvm = lvm
    this.name = requireLvmName(name)
  }

  /** `/dev/<group>/<volume>`. */
  path(volume: string): string {
    return volumePath(this.name, volume)
  }

  /** Whether the host sees the group. */
  async exists(): Promise<boolean> {
    return this.#known !== undefined || (await this.#ask()) !== undefined
  }

  /** All that is known, from one report. @throws SmError SRUnavailable (47) where there is no such group */
  async report(): Promise<GroupReport> {
    const known = this.#known ?? (await this.#ask())
    if (known === undefined) throw new SmError('SRUnavailable', `no such volume group: ${this.name}`)
    return known
  }

  /** The next question asks LVM anew: sizes elsewhere may have changed, or who has what open. */
  forget(): void {
    this.#known = undefined
  }

  /** Undefined where the group has no such volume. @throws SmError SRUnavailable (47) */
  async volume(name: string): Promise<LogicalVolume | undefined> {
    return (await this.report()).volumes.get(name)
  }

  /** @throws SmError VDIUnavailable (46) where the group has no such volume */
  async require(name: string): Promise<LogicalVolume> {
    const volume = await this.volume(name)
    if (volume === undefined) throw new SmError('VDIUnavailable', `LV not found: ${name}`)
    return volume
  }

  /** A volume with where it lies; LVM is asked again where that is not known. @throws SmError VDIUnavailable (46) */
  async mapped(name: string): Promise<MappedVolume> {
    if ((await this.require(name)).segments === undefined) this.forget()
    const volume = await this.require(name)
    return { ...volume, segments: volume.segments ?? [] }
  }

  /**
   * Makes a volume, active and writable. Its first 4 KiB are zero, the rest is what its extents held before (spec lvhd 4.5).
   * LvmError `noSpace` where the group is too full, `exists` where there is such a volume.
   */
  async create(name: string, bytes: number, tags: readonly string[] = []): Promise<void> {
    const size = ['-L', toMib(bytes)]
    await this.#create(name, size, tags)
    const known = this.#known
    if (known === undefined) return
    const taken = Math.ceil(bytes / known.extentSize) * known.extentSize
    known.free -= taken
    known.volumes.set(name, newVolume(name, taken, tags))
  }

  /** Makes a volume of all the room that is left. LvmError `noSpace` where there is none. */
  async createOverFreeSpace(name: string): Promise<void> {
    await this.#create(name, ['-l', '100%F'], [])
    this.forget()
  }

  /** Removes volumes; those that are active are unmapped. LvmError `inUse` where one is open, `missing` where one is not there. */
  async remove(...names: readonly string[]): Promise<void> {
    await this.#unlessInUse(['lvremove', '-f'], names, async left => {
      const { volumes } = await this.report()
      return left.filter(name => volumes.has(name))
    })
    for (const name of names) {
      const known = this.#known
      if (known !== undefined) known.free += known.volumes.get(name)?.size ?? 0
      known?.volumes.delete(name)
      this.#fresh.delete(name)
      await clearMapping(this.lvm, this.name, name)
    }
  }

  /** Renames a volume, active or even open; one atomic step. LvmError `missing`, `exists`. */
  async rename(from: string, to: string): Promise<void> {
    await this.#change(['lvrename', this.path(from), requireLvmName(to)])
    const volume = this.#known?.volumes.get(from)
    if (volume === undefined) return
    this.#known?.volumes.delete(from)
    this.#known?.volumes.set(to, { ...volume, name: to })
    if (this.#fresh.delete(from)) this.#fresh.add(to)
  }

  /** Grows or cuts a volume and, where it is active, its mapping. Nothing happens where it has that size. */
  async resize(name: string, bytes: number): Promise<void> {
    const volume = await this.require(name)
    const { extentSize } = await this.report()
    const size = Math.ceil(bytes / extentSize) * extentSize
    if (size === volume.size) return
    // Cutting asks back; a forced answer would hide every other question too.
    const answer = size < volume.size ? { input: 'y\n' } : {}
    await this.#change(['lvresize', '-L', toMib(bytes), this.path(name)], answer)
    if (this.#known !== undefined) this.#known.free -= size - volume.size
    this.#update(name, { size, segments: undefined })
  }

  /** Changes the permission, excluding the start of data paths meanwhile (spec lvhd 11). Nothing happens where it is so already. */
  async setWritable(name: string, writable: boolean): Promise<void> {
    if ((await this.require(name)).writable === writable) return
    const sr = srOfGroup(this.name)
    const lock = await this.lvm.deps.locks.lock(sr === undefined ? '' : volumeNamespace(sr), 'lvchange-p')
    try {
      await this.#change(['lvchange', this.path(name), '-p', writable ? 'rw' : 'r'])
    } finally {
      await lock.release()
    }
    this.#update(name, { writable })
  }

  /** Sets or removes a tag; one atomic step. Nothing happens where it is so already. */
  async setTag(name: string, tag: string, present: boolean): Promise<void> {
    const { tags } = await this.require(name)
    if (tags.includes(tag) === present) return
    await this.#change(['lvchange', present ? '--addtag' : '--deltag', requireLvmName(tag), this.path(name)])
    this.#update(name, { tags: present ? [...tags, tag] : tags.filter(other => other !== tag) })
  }

  /**
   * Maps volumes, by one process for all that are not mapped. One that was mapped before this call is refreshed, in case it
   * was changed elsewhere meanwhile (spec lvhd 5.5). LvmError `missing` where one is not there, `inUse` where another
   * volume's mapping has its name and is open.
   */
  async activate(names: readonly string[]): Promise<void> {
    await this.#clearForeign(await this.#whereMapped(names, true))
    const absent = await this.#whereMapped(names, false)
    if (absent.length > 0) await this.#change(['lvchange', '-ay', ...absent.map(name => this.path(name))])
    for (const name of absent) {
      await ensureLink(this.lvm, this.name, name)
      this.#fresh.add(name)
      this.#update(name, { active: true })
    }
    const stale = names.filter(name => !this.#fresh.has(name))
    if (stale.length > 0) await this.refreshMappings(stale)
  }

  /** Reloads the mappings of active volumes from the metadata: size or permission was changed elsewhere. Allowed on slaves. */
  async refreshMappings(names: readonly string[]): Promise<void> {
    const argv = ['lvchange', '--refresh', ...names.map(name => this.path(name))] as const
    await this.#change(argv, { asMaster: true })
    for (const name of names) this.#fresh.add(name)
  }

  /**
   * Unmaps volumes, by one process. Those that are not mapped are left out; for one that the group does not have, a mapping
   * that was left behind is removed. LvmError `inUse` where one is open.
   */
  async deactivate(names: readonly string[]): Promise<void> {
    const { volumes } = await this.report()
    const active = (await this.#whereMapped(names, true)).filter(name => volumes.has(name))
    if (active.length > 0) await this.#unlessInUse(['lvchange', '-an'], active, left => this.#whereMapped(left, true))
    for (const name of names) {
      this.#update(name, { active: false, open: false })
      this.#fresh.delete(name)
      await clearMapping(this.lvm, this.name, name)
    }
  }

  /**
   * A name may be mapped without being that of the volume: what had it before was renamed or removed by another host, which
   * could not reach this one. To use that mapping would be to write into another volume. LVM knows its own by their uuids.
   */
  async #clearForeign(mapped: readonly string[]): Promise<void> {
    const isForeign = (volumes: ReadonlyMap<string, LogicalVolume>) => (name: string) =>
      !this.#fresh.has(name) && volumes.get(name)?.active === false
    if (mapped.every(name => this.#fresh.has(name))) return
    // What was mapped since the report is no other's.
    if (!mapped.some(isForeign((await this.report()).volumes))) return
    this.forget()
    for (const name of mapped.filter(isForeign((await this.report()).volumes))) {
      await clearMapping(this.lvm, this.name, name)
    }
  }

  /** Asks the kernel's names and not the report: other calls map and unmap without the SR lock. */
  async #whereMapped(names: readonly string[], mapped: boolean): Promise<string[]> {
    const found: string[] = []
    for (const name of names) {
      if ((await this.lvm.deps.system.files.exists(mapperPath(this.name, name))) === mapped) found.push(name)
    }
    return found
  }

  async #create(name: string, size: readonly string[], tags: readonly string[]): Promise<void> {
    const marks = tags.flatMap(tag => ['--addtag', requireLvmName(tag)])
    await this.#change(['lvcreate', '-n', requireLvmName(name), ...size, this.name, ...marks, '-W', 'y', '--yes'])
    this.#fresh.add(name)
  }

  /** LVM does what it can with the other volumes: another attempt is for those that are `left`. */
  async #unlessInUse(
    command: readonly [string, ...string[]],
    names: readonly string[],
    left: (names: readonly string[]) => Promise<string[]>,
  ): Promise<void> {
    let next = names
    for (let attempt = 1; next.length > 0; attempt += 1) {
      try {
        await this.#change([...command, ...next.map(name => this.path(name))])
        return
      } catch (error) {
        if (attempt === IN_USE_TRIES || !isLvmError(error, 'inUse')) throw error
        next = await left(next)
      }
    }
  }

  async #change(
    argv: readonly [string, ...string[]],
    options: { input?: string; asMaster?: boolean } = {},
  ): Promise<void> {
    try {
      await this.lvm.change(argv, options)
    } catch (error) {
      this.forget()
      this.#fresh.clear()
      throw error
    }
  }

  #update(name: string, changes: Partial<LogicalVolume>): void {
    const volume = this.#known?.volumes.get(name)
    if (volume !== undefined) this.#known?.volumes.set(name, { ...volume, ...changes })
  }

  async #ask(): Promise<Known | undefined> {
    const report = await reportGroup(this.lvm, this.name)
    this.#known = report === undefined ? undefined : { ...report, volumes: new Map(report.volumes) }
    return this.#known
  }
}

function newVolume(name: string, size: number, tags: readonly string[]): LogicalVolume {
  return { name, size, tags, writable: true, active: true, open: false, segments: undefined }
}

/** LVM is given whole MiB, as the reference does. */
function toMib(bytes: number): string {
  return String(Math.ceil(bytes / MIB))
}
