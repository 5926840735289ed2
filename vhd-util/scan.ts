import type { Command, Tool } from './Command.ts'
import { errnoOf, Failed, UsageError } from './failure.ts'
import type { Options } from './getopt.ts'
import { glob, GlobError } from './glob.ts'
import { fileTarget, FileSource } from './scanFiles.ts'
import {
  failureLine,
  isFailure,
  rowLine,
  type ScanRow,
  type ScanSource,
  type ScanTarget,
  UNSCANNABLE,
} from './scanRow.ts'
import { treeLines } from './scanTree.ts'

/** Disks read at a time. */
const BATCH = 32
const ENOENT = 2
const EIO = 5

/** One line per disk of a directory or volume group (spec vhd 7.13). */
export const scan: Command = {
  options: 'm:fcapvMl:',
  usage: 'scan [-f] [-c] [-a] [-p] [-v] [-M] [-l VG] {-m FILTER | FILES...}',
  helpExit: 0,
  operands: true,
  run: async (tool, options) => {
    if (!options.values.has('m') && options.operands.length === 0) throw new UsageError()
    const { source, targets } = options.values.has('l')
      ? await openVolumes(tool, options)
      : await openFiles(tool, options)
    return new Scan(tool, options, source).run(targets).finally(() => source.close())
  },
}

interface Opened {
  readonly source: ScanSource
  readonly targets: readonly ScanTarget[]
}

async function openVolumes(tool: Tool, options: Options): Promise<Opened> {
  const { openVolumeGroup } = await import('./scanVolumes.ts')
  const { flags, values, operands } = options
  const fast = isFast(options)
  try {
    const source = await openVolumeGroup(tool.system, values.get('l') ?? '', { fast, markers: flags.has('M') })
    return { source, targets: source.targets(values.get('m'), operands) }
  } catch (error) {
    const errno = errnoOf(error)
    throw new Failed(errno, `lvm_scan_vg failed -${errno}\n${scanFailed(errno)}`, 'err')
  }
}

async function openFiles(tool: Tool, options: Options): Promise<Opened> {
  const { files } = tool.system
  const fast = isFast(options)
  const names = [...(await expand(tool, options.values.get('m'))), ...options.operands]
  const targets: ScanTarget[] = []
  for (const name of names) targets.push(await fileTarget(files, name, { full: !fast, tree: options.flags.has('p') }))
  return { source: new FileSource(files, { fast, markers: options.flags.has('M') }), targets }
}

async function expand(tool: Tool, pattern: string | undefined): Promise<string[]> {
  if (pattern === undefined) return []
  try {
    return await glob(tool.system.files, pattern)
  } catch (error) {
    if (!(error instanceof GlobError)) throw error
    const errno = errnoOf(error.cause)
    await tool.out(`vhd=${error.directory} scan-error=${errno} error-message='${UNSCANNABLE}'\n`)
    await tool.out(`vhd=${pattern} scan-error=-${EIO} error-message='${UNSCANNABLE}'\n`)
    throw new Failed(EIO, scanFailed(EIO), 'err')
  }
}

function scanFailed(errno: number): string {
  return `scan failed: -${errno}. Check syslog for details\n`
}

/** A tree needs resolved parents. */
function isFast({ flags }: Options): boolean {
  return flags.has('f') && !flags.has('p')
}

class Scan {
  readonly #tool: Tool
  readonly #flags: ReadonlySet<string>
  readonly #source: ScanSource
  /** What is still to be scanned; parents join while others are read. */
  readonly #queue: ScanTarget[] = []
  readonly #known = new Set<string>()
  readonly #tree: ScanRow[] = []

  constructor(tool: Tool, { flags }: Options, source: ScanSource) {
    this.#tool = tool
    this.#flags = flags
    this.#source = source
  }

  /** Returns the exit code: 0 or the errno of the disk that ended the scan. */
  async run(targets: readonly ScanTarget[]): Promise<number> {
    this.#queue.push(...targets)
    for (const { key } of targets) this.#known.add(key)
    let exitCode = 0
    while (this.#queue.length > 0 && exitCode === 0) {
      exitCode = await this.#scanBatch(this.#queue.splice(0, BATCH))
    }
    await this.#tool.out(treeLines(this.#tree, this.#flags.has('v')).join(''))
    return exitCode
  }

  async #scanBatch(batch: readonly ScanTarget[]): Promise<number> {
    const lines: string[] = []
    let exitCode = 0
    for (const result of await Promise.all(batch.map(target => this.#source.read(target)))) {
      if (isFailure(result)) {
        lines.push(failureLine(result))
        if (!this.#flags.has('c')) exitCode = result.errno
      } else {
        lines.push(await this.#addParent(result))
        if (this.#flags.has('p')) this.#tree.push(result)
        else lines.push(rowLine(result, { verbose: this.#flags.has('v') }))
      }
      if (exitCode !== 0) break
    }
    await this.#tool.out(lines.join(''))
    return exitCode
  }

  /** With `-a` the parent is scanned too; one that cannot be is only told. */
  async #addParent({ parent }: ScanRow): Promise<string> {
    if (parent === undefined || !this.#flags.has('a')) return ''
    const { target } = parent
    const errno = target === undefined ? ENOENT : await this.#missing(target)
    if (errno !== undefined) {
      return failureLine({ target: target ?? { name: parent.name, key: '', raw: false }, errno, message: UNSCANNABLE })
    }
    if (target !== undefined && !this.#known.has(target.key)) {
      this.#known.add(target.key)
      this.#queue.push(target)
    }
    return ''
  }

  async #missing(target: ScanTarget): Promise<number | undefined> {
    return this.#known.has(target.key) ? undefined : this.#source.missing(target)
  }
}
