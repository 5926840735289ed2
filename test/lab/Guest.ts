import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { deserialize, serialize } from 'node:v8'
import { projectRoot } from '../support/World.ts'
import type { ClassName } from './agent/objects.ts'
import { processorOfGuests } from './processor.ts'
import { errorOf, type Answer, type Question, type RunOutcome } from './protocol.ts'

export interface GuestOptions {
  /** Letters, digits and dashes. */
  readonly name?: string
  readonly memoryMib?: number
  /** Image files on the host that the guest has as /dev/ubdb, /dev/ubdc, …; completed writes survive a power cut. */
  readonly disks?: readonly string[]
  /** Socket of a switch, and this guest's place on it: the last byte of its MAC address and of 10.77.0.x. */
  readonly network?: { readonly socket: string; readonly place: number }
}

const BOOT_TIMEOUT_MS = 120_000
const POLL_MS = 10
const RUN_TIMEOUT_MS = 120_000
const CALL_TIMEOUT_MS = 300_000
/** Characters of the console that an error shows. */
const CONSOLE_TAIL = 4000

export interface RemoteObject {
  readonly facts: Readonly<Record<string, string>>
  readonly ask: (method: string, ...args: unknown[]) => Promise<unknown>
}

/** A Linux of its own, booted from this machine's file tree without being able to change it (docs/lab.md). */
export class Guest {
  readonly #process: ChildProcess
  readonly #directory: string
  #questions = 0
  #objects = 0

  private constructor(child: ChildProcess, directory: string) {
    this.#process = child
    this.#directory = directory
  }

  static async boot(options: GuestOptions = {}): Promise<Guest> {
    const directory = await fs.mkdtemp(path.join(tmpdir(), 'sm-lab-'))
    await fs.mkdir(path.join(directory, 'exchange'))
    const guest = new Guest(startKernel(directory, kernelCommand(directory, options)), directory)
    try {
      await guest.#fileFromGuest('ready', BOOT_TIMEOUT_MS)
    } catch (error) {
      await guest.powerCut()
      throw error
    }
    return guest
  }

  /** A directory on the host that the guest has as /exchange. */
  get exchange(): string {
    return path.join(this.#directory, 'exchange')
  }

  /** Runs a shell script that may use the functions of `guest/functions.sh`; returns what it wrote to stdout. Throws where it fails. */
  async run(script: string, timeoutMs = RUN_TIMEOUT_MS): Promise<string> {
    const { exitCode, stdout, stderr } = await this.attempt(script, timeoutMs)
    if (exitCode === 0) return stdout
    const how = exitCode === undefined ? `stopped after ${timeoutMs} ms` : `exit code ${exitCode}`
    throw new Error(`in the guest, ${how}:\n${script}\n${stdout}${stderr}`)
  }

  /** As `run`, for scripts that may fail. */
  async attempt(script: string, timeoutMs = RUN_TIMEOUT_MS): Promise<RunOutcome> {
    const question = { kind: 'run', script, timeoutMs } as const
    return (await this.#ask(question, timeoutMs + 10_000)) as RunOutcome
  }

  /** Makes an object in the guest's agent: what a test may know of it, and how its methods are called. */
  async make(className: ClassName, options: unknown): Promise<RemoteObject> {
    this.#objects += 1
    const object = this.#objects
    const facts = await this.#ask({ kind: 'make', object, className, options }, CALL_TIMEOUT_MS)
    const ask = (method: string, ...args: unknown[]) =>
      this.#ask({ kind: 'call', object, method, args }, CALL_TIMEOUT_MS)
    return { facts: facts as Record<string, string>, ask }
  }

  async #ask(question: Question, timeoutMs: number): Promise<unknown> {
    this.#questions += 1
    const number = this.#questions
    const file = path.join(this.exchange, `question-${number}`)
    await fs.writeFile(`${file}.new`, serialize(question))
    await fs.rename(`${file}.new`, file)
    const answer = deserialize(await this.#fileFromGuest(`answer-${number}`, timeoutMs)) as Answer
    if ('error' in answer) throw errorOf(answer.error)
    return answer.value
  }

  /** Ends it as a computer is shut down. */
  async halt(): Promise<void> {
    const file = path.join(this.exchange, `question-${this.#questions + 1}`)
    await fs.writeFile(`${file}.new`, serialize({ kind: 'halt' } satisfies Question))
    await fs.rename(`${file}.new`, file)
    for (let waited = 0; !this.#hasEnded() && waited < 10_000; waited += POLL_MS) await sleep(POLL_MS)
    await this.powerCut()
  }

  /** Ends it between two instructions. What its programs had not flushed is lost. */
  async powerCut(): Promise<void> {
    this.#process.stdin?.end()
    while (existsSync(this.#directory)) await sleep(POLL_MS)
  }

  /** What the kernel has said. */
  console(): string {
    return readFileSync(path.join(this.#directory, 'console'), 'utf8')
  }

  #lastWords(): string {
    return this.console().slice(-CONSOLE_TAIL)
  }

  #hasEnded(): boolean {
    return existsSync(path.join(this.#directory, 'ended'))
  }

  async #fileFromGuest(name: string, timeoutMs: number): Promise<Buffer> {
    const file = path.join(this.exchange, name)
    for (const deadline = performance.now() + timeoutMs; performance.now() < deadline;) {
      const content = await fs.readFile(file).catch(absent)
      if (content !== undefined) {
        await fs.rm(file)
        return content
      }
      if (this.#hasEnded()) throw new Error(`the guest has ended:\n${this.#lastWords()}`)
      await sleep(POLL_MS)
    }
    throw new Error(`the guest gave no ${name} in ${timeoutMs} ms:\n${this.#lastWords()}`)
  }
}

/** Program and arguments that boot a guest, which keeps its files in `directory`. Console input and output are the caller's. */
export function kernelCommand(directory: string, options: GuestOptions): string[] {
  const { name = 'lab', memoryMib = 1024, disks = [], network } = options
  const letters = 'bcdefghij'
  const drives = disks.map((image, index) => `ubd${letters.charAt(index)}=${image}`)
  const mac = network === undefined ? '' : `fe:fd:0:0:0:${network.place.toString(16)}`
  const wire =
    network === undefined
      ? []
      : [`eth0=daemon,${mac},unix,${network.socket}`, `lab.address=10.77.0.${network.place}/24`]
  return [
    'taskset',
    '--cpu-list',
    String(processorOfGuests()),
    'linux.uml',
    `mem=${memoryMib}M`,
    'rootfstype=hostfs',
    'ro',
    'quiet',
    `init=${path.join(projectRoot, 'test/lab/guest/init.sh')}`,
    `uml_dir=${directory}`,
    `umid=${name}`,
    `lab.name=${name}`,
    `lab.project=${projectRoot}`,
    `lab.exchange=${path.join(directory, 'exchange')}`,
    `lab.node=${process.execPath}`,
    ...drives,
    ...wire,
  ]
}

/**
 * Runs the kernel, which makes a process group of itself and its helpers, until it ends or standard input does, as it does
 * when this process dies. Then nothing is left: neither a process of the group nor the directory that is named first.
 */
const KEEPER = `
exec 3<&0
"$@" </dev/null 3<&- &
kernel=$!
(cat <&3 >/dev/null; kill -KILL -$kernel || kill -KILL $kernel) 2>/dev/null &
wait $kernel
touch "$0/ended"
wait
while pgrep --pgroup $kernel --runstates DRSTt >/dev/null; do kill -KILL -$kernel; done
rm -rf "$0"`

function startKernel(directory: string, kernel: readonly string[]): ChildProcess {
  const output = openSync(path.join(directory, 'console'), 'w')
  try {
    const command = ['-c', KEEPER, directory, ...kernel, 'con=null', 'con0=null,fd:1']
    return spawn('/bin/sh', command, { detached: true, stdio: ['pipe', output, output] })
  } finally {
    closeSync(output)
  }
}

function absent(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
  throw error
}
