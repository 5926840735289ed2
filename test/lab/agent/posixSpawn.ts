import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import koffi from 'koffi'
import { Effects } from '../../../lib/os/effects.ts'
import type { Launch } from '../../../lib/os/run.ts'
import { makeSystem, type System } from '../../../lib/os/system.ts'

// What <spawn.h>, <fcntl.h> and <sys/wait.h> have on Linux, x86-64. The structures are rounded up.
const ATTRIBUTES_BYTES = 512
const ACTIONS_BYTES = 128
const SIGNAL_SET_BYTES = 128
const SETSIGDEF_AND_SETSIGMASK = 0x0c
const O_CLOEXEC = 0x80000
const WNOHANG = 1
const EXIT_STATUS_SHIFT = 8
const SIGNAL_BITS = 0x7f

type Call = (...args: unknown[]) => number

const libc = koffi.load(null)
const bind = (prototype: string): Call => libc.func(prototype)
const spawn = bind(
  'int posix_spawnp(_Out_ int *pid, const char *file, void *actions, void *attributes, const char **argv, const char **env)',
)
const pipe2 = bind('int pipe2(_Out_ int *ends, int flags)')
const waitpid = bind('int waitpid(int pid, _Out_ int *status, int options)')
const actionsInit = bind('int posix_spawn_file_actions_init(void *actions)')
const actionsDestroy = bind('int posix_spawn_file_actions_destroy(void *actions)')
const addDup2 = bind('int posix_spawn_file_actions_adddup2(void *actions, int from, int to)')
const addChdir = bind('int posix_spawn_file_actions_addchdir_np(void *actions, const char *directory)')
const attributesInit = bind('int posix_spawnattr_init(void *attributes)')
const setFlags = bind('int posix_spawnattr_setflags(void *attributes, short flags)')
const setDefault = bind('int posix_spawnattr_setsigdefault(void *attributes, void *signals)')
const setMask = bind('int posix_spawnattr_setsigmask(void *attributes, void *signals)')

/** By process id, who waits for its end. */
const waiting = new Map<number, (status: number) => void>()
// Before anything is started: what ended before somebody listened would never be heard of.
process.on('SIGCHLD', reap)

/**
 * Starts a program without forking this process, which Node does: the copy of a large process's page tables, and each
 * page that either of the two then touches, takes longer in a guest than an LVM command.
 */
export const posixSpawn: Launch = async (argv, { cwd, env, input = '' }) => {
  const [stdin, stdout, stderr] = [inputFrom(input), makePipe(), makePipe()]
  const descriptors = [stdin, stdout.write, stderr.write]
  const environment = Object.entries({ ...process.env, ...env }).map(([name, value]) => `${name}=${value ?? ''}`)
  const [errno, pid] = start(argv, { cwd, environment, descriptors })
  const status = errno === 0 ? endOf(pid) : undefined
  for (const fd of descriptors) closeSync(fd)
  const [out, err] = await Promise.all([text(stdout.read), text(stderr.read)])
  if (status === undefined) {
    return { stdout: out, stderr: err, shortMessage: `Command failed with errno ${errno}: ${argv.join(' ')}` }
  }
  return { exitCode: exitCodeOf(await status), stdout: out, stderr: err }
}

interface StartOptions {
  readonly cwd: string | undefined
  readonly environment: readonly string[]
  /** What the program has as its descriptors 0, 1, 2. */
  readonly descriptors: readonly number[]
}

/** The errno where it could not be started, and the process id where it could. */
function start(argv: readonly [string, ...string[]], options: StartOptions): [errno: number, pid: number] {
  const [actions, attributes] = [Buffer.alloc(ACTIONS_BYTES), Buffer.alloc(ATTRIBUTES_BYTES)]
  actionsInit(actions)
  try {
    for (const [target, fd] of options.descriptors.entries()) addDup2(actions, fd, target)
    if (options.cwd !== undefined) addChdir(actions, options.cwd)
    attributesInit(attributes)
    setFlags(attributes, SETSIGDEF_AND_SETSIGMASK)
    // Node ignores SIGPIPE, which programs are to be ended by.
    setDefault(attributes, Buffer.alloc(SIGNAL_SET_BYTES, 0xff))
    setMask(attributes, Buffer.alloc(SIGNAL_SET_BYTES))
    const pid = [0]
    const errno = spawn(pid, argv[0], actions, attributes, [...argv, null], [...options.environment, null])
    return [errno, pid[0] ?? 0]
  } finally {
    actionsDestroy(actions)
  }
}

function makePipe(): { read: Socket; write: number } {
  const ends = [0, 0]
  if (pipe2(ends, O_CLOEXEC) !== 0) throw new Error(`no pipe: errno ${koffi.errno()}`)
  const [fd = -1, write = -1] = ends
  return { read: new Socket({ fd, readable: true, writable: false }), write }
}

/** A descriptor that reads the text. */
function inputFrom(input: string): number {
  if (input === '') return openSync('/dev/null', 'r')
  const file = `/tmp/input-${crypto.randomUUID()}`
  writeFileSync(file, input, { mode: 0o600 })
  try {
    return openSync(file, 'r')
  } finally {
    rmSync(file)
  }
}

function endOf(pid: number): Promise<number> {
  return new Promise(resolve => {
    waiting.set(pid, resolve)
  })
}

function reap(): void {
  for (const [pid, resolve] of waiting) {
    const status = [0]
    if (waitpid(pid, status, WNOHANG) !== pid) continue
    waiting.delete(pid)
    resolve(status[0] ?? 0)
  }
}

/** The system for what runs in the agent. */
export function agentSystem(effects: Effects = new Effects('')): System {
  return makeSystem(effects, posixSpawn)
}

/** Undefined where a signal ended it. */
function exitCodeOf(status: number): number | undefined {
  return (status & SIGNAL_BITS) === 0 ? status >> EXIT_STATUS_SHIFT : undefined
}
