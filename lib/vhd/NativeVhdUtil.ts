import path from 'node:path'
import { CommandError, type Run, type RunResult } from '../os/run.ts'
import type { EmbeddedVhdUtil } from './EmbeddedVhdUtil.ts'
import { errnoName, vhdError } from './errors.ts'
import { parseScan } from './parseScan.ts'
import type {
  CreateOptions,
  FutureParent,
  SnapshotOptions,
  VhdInfo,
  VhdScanError,
  VhdScanRow,
  VhdUtil,
} from './VhdUtil.ts'

const MIB = 1024 * 1024

/**
 * Runs blktap's `vhd-util` (spec vhd 7). Its exit status is the errno of the failure. What the program cannot do, or
 * does with a process per file, comes from the embedded code, which leaves the same bytes.
 */
export class NativeVhdUtil implements VhdUtil {
  readonly #run: Run
  readonly #program: string
  readonly #embedded: EmbeddedVhdUtil

  constructor(run: Run, program: string, embedded: EmbeddedVhdUtil) {
    this.#run = run
    this.#program = program
    this.#embedded = embedded
  }

  async create(file: string, virtualSize: number, { maxSize, fixed }: CreateOptions = {}): Promise<void> {
    const room = maxSize === undefined ? [] : ['-S', toMib(maxSize)]
    await this.#exec('create', '-n', file, '-s', toMib(virtualSize), ...room, ...(fixed === true ? ['-r'] : []))
  }

  async snapshot(child: string, parent: string, options: SnapshotOptions = {}): Promise<void> {
    await this.#exec(
      'snapshot',
      ...['-n', child, '-p', parent],
      ...(options.parentRaw === true ? ['-m'] : []),
      ...(options.exactParent === true ? ['-e'] : []),
      ...(options.maxSize === undefined ? [] : ['-S', toMib(options.maxSize)]),
    )
  }

  /** The program must find a parent by its name, so this is always the embedded code's work. */
  async createChild(child: string, parent: FutureParent): Promise<void> {
    await this.#embedded.createChild(child, parent)
  }

  /** The program has no way to trust only the copy at 0, and prints whole MiB: embedded. */
  async info(file: string): Promise<VhdInfo> {
    return this.#embedded.info(file)
  }

  /** The program prints whole MiB; a child of a raw image may have an odd size: embedded. */
  async virtualSize(file: string): Promise<number> {
    return this.#embedded.virtualSize(file)
  }

  async physicalSize(file: string): Promise<number> {
    return toNumber(await this.#query(file, '-s'))
  }

  async setPhysicalSize(file: string, bytes: number): Promise<void> {
    await this.#exec('modify', '--debug', '-s', String(bytes), '-n', file)
  }

  async parent(file: string): Promise<string | undefined> {
    const line = await this.#query(file, '-p')
    return line === `${file} has no parent` ? undefined : line
  }

  async setParent(file: string, parent: string, options: { readonly parentRaw?: boolean } = {}): Promise<void> {
    await this.#exec('modify', '--debug', '-p', parent, '-n', file, ...(options.parentRaw === true ? ['-m'] : []))
  }

  async depth(file: string): Promise<number> {
    return toNumber(afterColon(await this.#query(file, '-d')))
  }

  async hidden(file: string): Promise<boolean> {
    return toNumber(afterColon(await this.#query(file, '-f'))) !== 0
  }

  async setHidden(file: string, hidden: boolean): Promise<void> {
    await this.#exec('set', '--debug', '-n', file, '-f', 'hidden', '-v', hidden ? '1' : '0')
  }

  async allocatedBlocks(file: string): Promise<number> {
    return toNumber(await this.#query(file, '-a'))
  }

  async hasParent(file: string): Promise<boolean> {
    const { stdout } = await this.#exec('read', '--debug', '-p', '-n', file)
    const [, type] = /^Disk type\s*: (Differencing|Dynamic|Fixed) hard disk/m.exec(stdout) ?? []
    if (type === undefined) throw vhdError('EINVAL', `${file}: no disk type in the output of ${this.#program}`)
    return type === 'Differencing'
  }

  async sizeLimit(file: string): Promise<number> {
    return toNumber(await this.#query(file, '-S')) * MIB
  }

  /** `-f` wherever the tables have room: `-j` would inflate such a disk (spec vhd 7.9). */
  async resize(file: string, virtualSize: number, journal?: string): Promise<void> {
    const size = toMib(virtualSize)
    if (Number(size) * MIB === (await this.virtualSize(file))) return
    const fits = journal === undefined || Number(size) * MIB <= (await this.sizeLimit(file))
    const mode = fits ? ['-f'] : ['-j', journal]
    await this.#exec('resize', '--debug', '-s', size, '-n', file, ...mode)
  }

  async revertResize(file: string, journal: string): Promise<void> {
    await this.#exec('revert', '--debug', '-n', file, '-j', journal)
  }

  async check(file: string, options: { readonly allowMissingEndFooter?: boolean } = {}): Promise<void> {
    await this.#exec('check', '--debug', '-n', file, ...(options.allowMissingEndFooter === true ? ['-i'] : []))
  }

  async repair(file: string): Promise<void> {
    await this.#exec('repair', '-n', file)
  }

  async killData(file: string): Promise<void> {
    await this.#exec('modify', '--debug', '-z', '-n', file)
  }

  async keyHash(file: string): Promise<string | undefined> {
    return this.#embedded.keyHash(file)
  }

  async setKeyHash(file: string, hash: string): Promise<void> {
    await this.#exec('key', '-s', '-n', file, '-H', hash)
  }

  /** One process for the whole directory, a second one that goes on after failures where the first stopped (spec file-sr 4.2). */
  async scan(directory: string): Promise<(VhdScanRow | VhdScanError)[]> {
    const pattern = path.join(directory.replaceAll(/[*?[\]{}~\\]/g, '\\$&'), '*.vhd')
    const args = ['scan', '-f', '-M', '-m', pattern]
    const { stdout } = await this.#exec(...args).catch(() => this.#exec('scan', '-f', '-c', ...args.slice(2)))
    return parseScan(stdout)
  }

  async #query(file: string, flag: string): Promise<string> {
    const { stdout } = await this.#exec('query', '--debug', flag, '-n', file)
    return stdout.replace(/\n$/, '')
  }

  async #exec(...args: string[]): Promise<RunResult> {
    try {
      return await this.#run([this.#program, ...args])
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      throw vhdError(errnoName(error.exitCode), error.message, error)
    }
  }
}

function toMib(bytes: number): string {
  return String(Math.ceil(bytes / MIB))
}

function afterColon(line: string): string {
  return line.slice(line.lastIndexOf(':') + 1).trim()
}

function toNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw vhdError('EINVAL', `not a number in the output of the VHD tool: ${text}`)
  return Number(text)
}
