import { spawn, type ChildProcess } from 'node:child_process'
import { openSync, closeSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LockManager } from '../../../lib/lock/Lock.ts'
import { Effects } from '../../../lib/os/effects.ts'
import { Paths } from '../../../lib/os/paths.ts'
import { MIB, program, Workbench, type VdiJson } from './workbench.ts'

let bench: Workbench
let sr: string

beforeAll(async () => {
  bench = new Workbench()
  sr = await bench.ok('sr-create', 'store', '--location', 'disks')
})

afterAll(() => {
  bench.remove()
})

/** `sm` as the foreground job of a terminal: in a process group of its own, which Ctrl-C ends as a whole. */
class Job {
  readonly #child: ChildProcess
  readonly ended: Promise<number | null>
  stdout = ''
  stderr = ''
  received = 0

  constructor(args: readonly string[], stdout: 'pipe' | number = 'pipe') {
    const env = { PATH: process.env['PATH'], HOME: bench.folder, LANG: 'C.UTF-8', SM_ROOT: bench.root }
    const options = { env, cwd: bench.folder, detached: true, stdio: ['pipe', stdout, 'pipe'] as const }
    this.#child = spawn(process.execPath, [program, ...args], { ...options, stdio: [...options.stdio] })
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      this.received += chunk.length
      if (this.received < MIB) this.stdout += chunk.toString()
    })
    this.#child.stdin?.on('error', () => undefined)
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()))
    this.ended = new Promise((resolve, reject) => {
      this.#child.on('error', reject)
      this.#child.on('close', resolve)
    })
  }

  interrupt(): void {
    if (this.#child.pid === undefined) throw new Error('it was not started')
    process.kill(-this.#child.pid, 'SIGINT')
  }

  /** Writes to its standard input, which stays open. */
  feed(bytes: Buffer): void {
    this.#child.stdin?.write(bytes)
  }

  endInput(): void {
    this.#child.stdin?.destroy()
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 5))
}

const logged = (text: string) => readFileSync(path.join(bench.root, 'var', 'log', 'sm.log'), 'utf8').includes(text)
const disks = async () => (await bench.json<VdiJson[]>('vdi-list')).map(vdi => vdi.name_label)

test('Ctrl-C lets a snapshot that is under way be finished, with its name', async () => {
  const disk = await bench.ok('vdi-create', 'store', 'disk', '--size', '2MiB')
  const lock = await new LockManager(new Paths(bench.root), new Effects('')).lock(sr, 'sr')
  const job = new Job(['vdi-snapshot', 'disk', 'before'])
  await until(() => logged(`vdi_snapshot SR ${sr} VDI ${disk}`))
  job.interrupt()
  await until(() => job.stderr.includes('finishing'))
  await lock.release()
  expect(await job.ended).toBe(130)
  const [snapshot] = (await bench.json<VdiJson[]>('vdi-list')).filter(vdi => vdi.uuid === job.stdout.trim())
  expect(snapshot).toMatchObject({ name_label: 'before', is_a_snapshot: true })
})

test('Ctrl-C during an import into a new disk takes the disk away again', async () => {
  const before = readdirSync(bench.path('disks'))
  const job = new Job(['vdi-import', '--create', 'store', '--size', '8MiB', 'half'])
  job.feed(Buffer.alloc(5 * MIB, 1))
  await until(() => readdirSync(bench.path('disks')).length > before.length)
  job.interrupt()
  expect(await job.ended).toBe(130)
  expect(job.stderr).toContain('removed again')
  expect(await disks()).not.toContain('half')
  expect(readdirSync(bench.path('disks'))).toEqual(before)
})

test('Ctrl-C that ends the whole pipeline is no end of the input', async () => {
  await bench.ok('vdi-create', 'store', 'piped', '--size', '8MiB')
  const job = new Job(['vdi-import', '--progress', 'piped'])
  job.feed(Buffer.alloc(5 * MIB, 1))
  await until(() => job.stderr.includes('importing'))
  job.interrupt()
  job.endInput()
  expect(await job.ended).toBe(130)
  expect(job.stderr).toContain('only the beginning of standard input')
})

test('Ctrl-C ends an export', async () => {
  await bench.ok('vdi-create', 'store', 'endless', '--size', '2040GiB')
  const job = new Job(['vdi-export', 'endless'])
  await until(() => job.received > 0)
  job.interrupt()
  expect(await job.ended).toBe(130)
})

test('a full device on standard output is an error in a line, not a trace', async () => {
  const full = openSync('/dev/full', 'w')
  try {
    const job = new Job(['vdi-list'], full)
    job.endInput()
    expect(await job.ended).toBe(1)
    expect(job.stderr).toMatch(/^sm: .*ENOSPC.*\n$/)
  } finally {
    closeSync(full)
  }
})
