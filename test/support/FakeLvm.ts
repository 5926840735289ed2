import * as fs from 'node:fs'
import path from 'node:path'
import type { Effects } from '../../lib/os/effects.ts'
import { CommandError, type Run, type RunOptions } from '../../lib/os/run.ts'
import type { System } from '../../lib/os/system.ts'
import { Killable } from './Killable.ts'
import { RootedFiles } from './RootedFiles.ts'

const MIB = 1024 * 1024
const EXTENT = 4 * MIB
/** So much of what a volume gains shows what was there before, bytes. */
const STALE = 64 * 1024
/** The disk of the group, as a probe finds it. */
const DEVICE = '/dev/loop9'

interface FakeVolume {
  /** Holds what is on the volume. */
  readonly file: string
  size: number
  tags: string[]
  writable: boolean
  active: boolean
}

/**
 * One volume group as LVM keeps it, on files of a test: for what is about our own steps and not about LVM, which the lab
 * has. Each volume is one segment of a disk of its own.
 */
export class FakeLvm {
  readonly group: string
  readonly volumes = new Map<string, FakeVolume>()
  /** Volumes that somebody has open. */
  readonly held = new Set<string>()
  /** The commands so far, with their arguments, reports among them. */
  readonly commands: string[][] = []
  /** Sizes of the volumes that were discarded. */
  readonly discarded: number[] = []
  /** What the disk says where it cannot discard. */
  discardFails: string | undefined
  readonly root: string
  free: number
  #made = 0

  constructor(root: string, group: string, extents: number) {
    this.root = root
    this.group = group
    this.free = extents * EXTENT
    fs.mkdirSync(path.join(root, 'disks'))
    fs.mkdirSync(path.join(root, 'dev/mapper'), { recursive: true })
  }

  /** A system of this host. With `killBefore`, one whose process is killed before that effect, counted from 1. */
  system(killBefore = Infinity, effects: string[] = []): System {
    return this.systemWith(new Killable(killBefore, what => effects.push(what)))
  }

  /** A system of this host whose effects are watched by the caller. */
  systemWith(watched: Effects): System {
    return {
      effects: watched,
      files: new RootedFiles(watched, this.root),
      run: this.#run(watched),
      newUuid: () => {
        this.#made += 1
        return `0e000000-0000-4000-8000-${String(this.#made).padStart(12, '0')}`
      },
      now: Date.now,
    }
  }

  /** What is on a volume. */
  content(name: string): Buffer {
    return fs.readFileSync(this.#get(name).file)
  }

  /** Names of the programs that ran, in order; `lvm` is a report. */
  takeCommands(): string[] {
    return this.commands.splice(0).map(([program = '']) => program)
  }

  link(name: string): string {
    return path.join(this.root, 'dev', this.group, name)
  }

  node(name: string): string {
    return path.join(this.root, 'dev/mapper', `${doubled(this.group)}-${doubled(name)}`)
  }

  #run(effects: Effects): Run {
    return (argv, options: RunOptions = {}) => {
      if (options.changes !== false) effects.before('process', argv.join(' '))
      this.commands.push([...argv])
      const words = argv.filter((word, at) => word !== '--config' && argv[at - 1] !== '--config')
      const stdout = this.#execute(words, options.input ?? '')
      return Promise.resolve({ exitCode: 0, stdout, stderr: '' })
    }
  }

  #execute(argv: readonly string[], input: string): string {
    const [program, ...words] = argv
    const names = words.filter(word => word.startsWith(`/dev/${this.group}/`)).map(word => path.basename(word))
    const fail = (reason: string): never => {
      throw new CommandError(argv, 5, reason, reason)
    }
    for (const name of names) {
      if (!this.volumes.has(name)) fail(`  Failed to find logical volume "${this.group}/${name}"\n`)
    }
    switch (program) {
      case 'lvm':
        return words.at(-1) === this.group ? this.#report() : fail(`  Volume group "${words.at(-1)}" not found\n`)
      case 'lvcreate':
        this.#create(words, fail)
        break
      case 'lvremove':
        // All or none, in one commit.
        for (const name of names) if (this.held.has(name)) fail(`  Logical volume ${this.group}/${name} in use.\n`)
        for (const name of names) this.#remove(name, fail)
        break
      case 'lvrename':
        this.#rename(names[0] ?? '', words.at(-1) ?? '', fail)
        break
      case 'lvresize':
        this.#resize(names[0] ?? '', Number(words[1]) * MIB, { input, fail })
        break
      case 'lvchange':
        forEach(names, name => {
          this.#change(name, words, fail)
        })
        break
      case 'dmsetup':
        this.#dmsetup(words, fail)
        break
      case 'pvs':
        return this.#devices()
      case '/usr/sbin/blkdiscard':
        this.#discard(names[0] ?? '', fail)
        break
      default:
        fail(`unknown command ${program}`)
    }
    return ''
  }

  #create(words: readonly string[], fail: (reason: string) => never): void {
    const name = words[words.indexOf('-n') + 1] ?? ''
    const isWhole = words.includes('100%F')
    const size = isWhole ? this.free : Math.ceil((Number(words[words.indexOf('-L') + 1]) * MIB) / EXTENT) * EXTENT
    if (this.volumes.has(name)) fail(`  Logical Volume "${name}" already exists in volume group "${this.group}"\n`)
    if (size > this.free) fail(`  Volume group "${this.group}" has insufficient free space\n`)
    const file = path.join(this.root, 'disks', String(this.#made++))
    // Stale data of whatever had the extents before, but for the first 4 KiB.
    fs.writeFileSync(file, '')
    appendStale(file, Math.min(size, STALE))
    fs.truncateSync(file, size)
    const handle = fs.openSync(file, 'r+')
    fs.writeSync(handle, Buffer.alloc(4096), 0, 4096, 0)
    fs.closeSync(handle)
    const tags = words.flatMap((word, at) => (words[at - 1] === '--addtag' ? [word] : []))
    this.volumes.set(name, { file, size, tags, writable: true, active: false })
    this.free -= size
    this.#map(name)
  }

  #remove(name: string, fail: (reason: string) => never): void {
    this.#unmap(name, fail)
    this.free += this.#get(name).size
    this.volumes.delete(name)
  }

  #rename(from: string, to: string, fail: (reason: string) => never): void {
    if (this.volumes.has(to)) fail(`  Logical Volume "${to}" already exists in volume group "${this.group}"\n`)
    const volume = this.#get(from)
    const wasActive = volume.active
    if (wasActive) this.#unmap(from, fail)
    this.volumes.delete(from)
    this.volumes.set(to, volume)
    if (wasActive) this.#map(to)
  }

  #resize(name: string, size: number, { input, fail }: { input: string; fail: (reason: string) => never }): void {
    const volume = this.#get(name)
    if (size === volume.size) fail('  New size matches existing size.\n')
    if (size < volume.size && input !== 'y\n') fail(`  Logical volume ${name} NOT reduced.\n`)
    if (size - volume.size > this.free) fail('  Insufficient free space: 9 extents needed, but only 1 available\n')
    this.free -= size - volume.size
    if (size > volume.size) appendStale(volume.file, Math.min(size - volume.size, STALE))
    volume.size = size
    fs.truncateSync(volume.file, size)
  }

  #change(name: string, words: readonly string[], fail: (reason: string) => never): void {
    const volume = this.#get(name)
    if (words.includes('-ay')) this.#map(name)
    if (words.includes('-an')) this.#unmap(name, fail)
    const permission = words[words.indexOf('-p') + 1]
    if (words.includes('-p')) volume.writable = permission === 'rw'
    const tag = words[1] ?? ''
    if (words.includes('--addtag')) volume.tags.push(tag)
    if (words.includes('--deltag')) volume.tags = volume.tags.filter(other => other !== tag)
  }

  #dmsetup([command, mapped]: readonly string[], fail: (reason: string) => never): void {
    const name = [...this.volumes.keys()].find(volume => path.basename(this.node(volume)) === mapped)
    if (name === undefined || !this.#get(name).active) return fail('Device does not exist.\n')
    if (command === 'remove') this.#unmap(name, fail)
  }

  /** What a disk forgets that is told so reads as zeroes. */
  #discard(name: string, fail: (reason: string) => never): void {
    if (this.discardFails !== undefined) fail(this.discardFails)
    const { file, size } = this.#get(name)
    this.discarded.push(size)
    fs.truncateSync(file, 0)
    fs.truncateSync(file, size)
  }

  #devices(): string {
    const used = [...this.volumes.values()].reduce((sum, { size }) => sum + size, 0)
    const pv = [{ pv_name: DEVICE, vg_name: this.group, vg_size: String(used + this.free) }]
    return JSON.stringify({ report: [{ pv }] })
  }

  #map(name: string): void {
    const volume = this.#get(name)
    volume.active = true
    fs.mkdirSync(path.dirname(this.link(name)), { recursive: true })
    for (const place of [this.node(name), this.link(name)]) {
      fs.rmSync(place, { force: true })
      fs.symlinkSync(volume.file, place)
    }
  }

  #unmap(name: string, fail: (reason: string) => never): void {
    if (this.held.has(name)) fail(`  Logical volume ${this.group}/${name} in use.\n`)
    this.#get(name).active = false
    for (const place of [this.node(name), this.link(name)]) fs.rmSync(place, { force: true })
  }

  #get(name: string): FakeVolume {
    const volume = this.volumes.get(name)
    if (volume === undefined) throw new Error(`there is no volume ${name}`)
    return volume
  }

  #report(): string {
    const used = [...this.volumes.values()].reduce((sum, { size }) => sum + size, 0)
    const names = [...this.volumes.keys()].sort()
    const all = names.map(name => ({ name, ...this.#get(name) }))
    const sections = {
      vg: [{ vg_name: this.group, vg_size: used + this.free, vg_free: this.free, vg_extent_size: EXTENT }],
      pv: all.map(({ file, size }) => ({ pv_name: file, pv_uuid: path.basename(file), pv_size: size, pe_start: 0 })),
      lv: all.map(({ name, size, tags, writable, active }) => ({
        lv_name: name,
        lv_size: size,
        lv_attr: `-${writable ? 'w' : 'r'}i-${active ? 'a' : '-'}${this.held.has(name) ? 'o' : '-'}----`,
        lv_tags: tags.join(','),
      })),
      seg: all.map(({ name, file, size }) => ({
        lv_name: name,
        segtype: 'linear',
        seg_start: 0,
        seg_size: size,
        devices: `${file}(0)`,
      })),
    }
    return JSON.stringify({ report: [sections] }, (_key, value: unknown) =>
      typeof value === 'number' ? String(value) : value,
    )
  }
}

/** As LVM does it: what fails with one volume does not hinder the others. */
function forEach(names: readonly string[], work: (name: string) => void): void {
  let failure: { readonly error: unknown } | undefined
  for (const name of names) {
    try {
      work(name)
    } catch (error) {
      failure ??= { error }
    }
  }
  if (failure !== undefined) throw failure.error
}

function appendStale(file: string, bytes: number): void {
  fs.appendFileSync(file, Buffer.alloc(bytes, 'XSSM:9 '))
}

function doubled(name: string): string {
  return name.replaceAll('-', '--')
}
