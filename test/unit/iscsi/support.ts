import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { onTestFinished } from 'vitest'
import { Iscsiadm } from '../../../lib/iscsi/Iscsiadm.ts'
import { LockManager } from '../../../lib/lock/Lock.ts'
import { Effects } from '../../../lib/os/effects.ts'
import { Files } from '../../../lib/os/files.ts'
import type { OpenFile } from '../../../lib/os/OpenFile.ts'
import { makeLogger } from '../../../lib/os/log.ts'
import { Paths } from '../../../lib/os/paths.ts'
import type { RunOptions, RunResult } from '../../../lib/os/run.ts'
import { makeSystem, type System } from '../../../lib/os/system.ts'

/** What a command is answered: its output, or an exit code with what it says to stderr. */
export type Reply = string | readonly [exitCode: number, stderr: string]

/** Files of a host that is a folder. */
class HostFiles extends Files {
  readonly #root: string

  constructor(effects: Effects, root: string) {
    super(effects)
    this.#root = root
  }

  override readText(name: string): Promise<string> {
    return super.readText(this.#at(name))
  }

  override exists(name: string): Promise<boolean> {
    return super.exists(this.#at(name))
  }

  override list(name: string): Promise<string[]> {
    return super.list(this.#at(name))
  }

  override create(name: string): Promise<OpenFile> {
    return super.create(this.#at(name))
  }

  override rename(from: string, to: string): Promise<void> {
    return super.rename(this.#at(from), this.#at(to))
  }

  override syncDirectory(name: string): Promise<void> {
    return super.syncDirectory(this.#at(name))
  }

  #at(name: string): string {
    return name.startsWith(this.#root) ? name : path.join(this.#root, name)
  }
}

/** A host whose commands are a script: the first entry that a command line contains answers it. */
export class ScriptedHost {
  readonly root: string
  readonly commands: string[] = []
  /** What effects and errors may show of the commands. */
  readonly shown: string[] = []
  readonly #script: [string, Reply][]

  private constructor(root: string, script: Readonly<Record<string, Reply>>) {
    this.root = root
    this.#script = Object.entries(script)
  }

  static async make(script: Readonly<Record<string, Reply>> = {}): Promise<ScriptedHost> {
    const root = await fs.mkdtemp(path.join(tmpdir(), 'sm-iscsi-'))
    onTestFinished(() => fs.rm(root, { recursive: true }))
    return new ScriptedHost(root, script)
  }

  answer(pattern: string, reply: Reply): void {
    this.#script.unshift([pattern, reply])
  }

  async write(file: string, text: string): Promise<void> {
    await fs.mkdir(path.dirname(path.join(this.root, file)), { recursive: true })
    await fs.writeFile(path.join(this.root, file), text)
  }

  read(file: string): Promise<string> {
    return fs.readFile(path.join(this.root, file), 'utf8')
  }

  get paths(): Paths {
    return new Paths(this.root)
  }

  get system(): System {
    const effects = new Effects('')
    return { ...makeSystem(effects), files: new HostFiles(effects, this.root), run: this.#run }
  }

  get deps() {
    const { system, paths } = this
    return { system, paths, locks: new LockManager(paths, system.effects), log: makeLogger({ spec: 'none' }) }
  }

  get iscsiadm(): Iscsiadm {
    return new Iscsiadm(this.deps)
  }

  /** Commands since the last look, without those that only look. */
  takeChanges(): string[] {
    return this.commands.splice(0).filter(command => !/-m (?:session|iface|node)$| -S$|^pidof/.test(command))
  }

  readonly #run = (argv: readonly [string, ...string[]], options: RunOptions = {}): Promise<RunResult> => {
    const line = argv.join(' ')
    this.commands.push(line)
    if (argv[0] === 'rm' || argv[0] === 'cp') this.#runHere(argv)
    this.shown.push((options.shownAs ?? argv).join(' '))
    const [, reply = ''] = this.#script.find(([pattern]) => line.includes(pattern)) ?? []
    const [exitCode, stdout, stderr] = typeof reply === 'string' ? [0, reply, ''] : [reply[0], '', reply[1]]
    if (options.anyExitCode !== true && !(options.okExitCodes ?? [0]).includes(exitCode)) {
      return Promise.reject(new Error(`${line}: ${exitCode}`))
    }
    return Promise.resolve({ exitCode, stdout, stderr })
  }

  #runHere([program, ...args]: readonly [string, ...string[]]): void {
    execFileSync(
      program,
      args.map(arg => (arg.startsWith('/') ? path.join(this.root, arg) : arg)),
    )
  }
}
