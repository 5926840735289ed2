import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LockManager, type Lock } from '../../lib/lock/Lock.ts'
import { Effects } from '../../lib/os/effects.ts'
import { Paths } from '../../lib/os/paths.ts'

const HOLDER = path.join(import.meta.dirname, 'lock-holder.py')

let root: string
let file: string
let managers: LockManager[]
let children: ChildProcess[]

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'sm-lock-'))
  file = path.join(root, 'var/lock/sm/ns/sr')
  managers = []
  children = []
})

afterEach(async () => {
  await Promise.all(managers.map(manager => manager.releaseAll()))
  for (const child of children) await end(child, 'SIGKILL')
  rmSync(root, { recursive: true })
})

/** A manager of its own stands for another program: managers exclude each other even in one process. */
function makeManager(effects = new Effects('')): LockManager {
  const manager = new LockManager(new Paths(root), effects)
  managers.push(manager)
  return manager
}

/** A Python process that tries `fcntl` on the lock file, and what came of it. */
async function python(): Promise<{ child: ChildProcess; says: string }> {
  mkdirSync(path.dirname(file), { recursive: true })
  const child = spawn('python3', [HOLDER, file], { stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  return { child, says: line.toString().trim() }
}

async function end(child: ChildProcess, signal?: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  if (signal === undefined) child.stdin?.end()
  else child.kill(signal)
  await gone
}

async function taken(lock: Promise<Lock | undefined>): Promise<boolean> {
  return (await lock) !== undefined
}

describe('beside the fcntl locks of Python', () => {
  it('a lock that Python has cannot be taken, and can afterwards', async () => {
    const { child, says } = await python()
    expect(says).toBe('locked')
    const ours = makeManager()
    expect(await taken(ours.tryLock('ns', 'sr'))).toBe(false)
    await end(child)
    expect(await taken(ours.tryLock('ns', 'sr'))).toBe(true)
  })

  it('Python cannot take a lock that we have, and can afterwards', async () => {
    const lock = await makeManager().lock('ns', 'sr')
    expect((await python()).says).toBe('busy')
    await lock.release()
    expect((await python()).says).toBe('locked')
  })

  it('a waiting lock is ours as soon as Python is killed', async () => {
    const { child } = await python()
    const waiting = makeManager().lock('ns', 'sr')
    await end(child, 'SIGKILL')
    await (await waiting).release()
  })

  it('closing another descriptor of the lock file does not lose our lock', async () => {
    await makeManager().lock('ns', 'sr')
    closeSync(openSync(file, 'r+'))
    expect((await python()).says).toBe('busy')
  })

  it('a failed try of ours does not lose the lock that we have', async () => {
    const ours = makeManager()
    await ours.lock('ns', 'sr')
    expect(await taken(makeManager().tryLock('ns', 'sr'))).toBe(false)
    expect((await python()).says).toBe('busy')
  })

  it('a child process that we start does not inherit the lock file', async () => {
    await makeManager().lock('ns', 'sr')
    const child = spawn('sleep', ['60'], { stdio: 'ignore' })
    children.push(child)
    await once(child, 'spawn')
    const folder = `/proc/${String(child.pid)}/fd`
    expect(readdirSync(folder).map(fd => readlinkSync(path.join(folder, fd)))).not.toContain(file)
  })
})

describe('within one manager', () => {
  it('a lock is counted and free after the last release', async () => {
    const [ours, other] = [makeManager(), makeManager()]
    const outer = await ours.lock('ns', 'sr')
    const inner = await ours.lock('ns', 'sr')
    await inner.release()
    expect(await taken(other.tryLock('ns', 'sr'))).toBe(false)
    await outer.release()
    expect(await taken(other.tryLock('ns', 'sr'))).toBe(true)
  })

  it('releasing one hold twice does not release the other', async () => {
    const [ours, other] = [makeManager(), makeManager()]
    await ours.lock('ns', 'sr')
    const inner = await ours.lock('ns', 'sr')
    await inner.release()
    await inner.release()
    expect(await taken(other.tryLock('ns', 'sr'))).toBe(false)
  })

  it('tasks that ask at the same time share the lock', async () => {
    const [ours, other] = [makeManager(), makeManager()]
    const locks = await Promise.all(Array.from({ length: 8 }, () => ours.lock('ns', 'sr')))
    for (const lock of locks) {
      expect(await taken(other.tryLock('ns', 'sr'))).toBe(false)
      await lock.release()
    }
    expect(await taken(other.tryLock('ns', 'sr'))).toBe(true)
  })

  it('releaseAll frees everything, and an old hold then releases nothing new', async () => {
    const [ours, other] = [makeManager(), makeManager()]
    const old = await ours.lock('ns', 'sr')
    await ours.lock('ns', 'vdi')
    await ours.releaseAll()
    expect(await taken(other.tryLock('ns', 'vdi'))).toBe(true)
    await ours.lock('ns', 'sr')
    await old.release()
    expect(await taken(other.tryLock('ns', 'sr'))).toBe(false)
  })
})

describe('waiting', () => {
  it('ends when the signal is aborted, with its reason, and takes nothing', async () => {
    const [ours, other] = [makeManager(), makeManager()]
    const lock = await other.lock('ns', 'sr')
    const controller = new AbortController()
    const waiting = ours.lock('ns', 'sr', { signal: controller.signal })
    setTimeout(() => {
      controller.abort(new Error('enough'))
    }, 30)
    await expect(waiting).rejects.toThrow('enough')
    await lock.release()
    expect(await taken(other.tryLock('ns', 'sr'))).toBe(true)
  })

  it('does not begin with a signal that is aborted already', async () => {
    const signal = AbortSignal.abort(new Error('too late'))
    await expect(makeManager().lock('ns', 'sr', { signal })).rejects.toThrow('too late')
    expect(await taken(makeManager().tryLock('ns', 'sr'))).toBe(true)
  })

  it('ends with LockErr (37) when the time is over', async () => {
    await makeManager().lock('ns', 'sr')
    const started = performance.now()
    await expect(makeManager().lock('ns', 'sr', { timeoutMs: 80 })).rejects.toMatchObject({ code: 37 })
    const waited = performance.now() - started
    expect(waited).toBeGreaterThanOrEqual(79)
    expect(waited).toBeLessThan(5000)
  })

  it('lets one in at a time', async () => {
    let inside = 0
    let most = 0
    await Promise.all(
      Array.from({ length: 6 }, async () => {
        const lock = await makeManager().lock('ns', 'sr')
        inside += 1
        most = Math.max(most, inside)
        await sleep(2)
        inside -= 1
        await lock.release()
      }),
    )
    expect(most).toBe(1)
  })
})

describe('lock files', () => {
  it('are where the reference has them; an empty namespace is the base directory', async () => {
    const ours = makeManager()
    await ours.lock('ns', 'sr')
    await ours.lock('', 'sr')
    expect(existsSync(file)).toBe(true)
    expect(existsSync(path.join(root, 'var/lock/sm/sr'))).toBe(true)
  })

  it('stay when the lock is released', async () => {
    await (await makeManager().lock('ns', 'sr')).release()
    expect(existsSync(file)).toBe(true)
  })

  it('go with their namespace, which may already be gone', async () => {
    const ours = makeManager()
    await (await ours.lock('ns', 'sr')).release()
    writeFileSync(path.join(path.dirname(file), 'cbtlog'), '')
    await ours.removeNamespace('ns')
    await ours.removeNamespace('ns')
    expect(readdirSync(path.join(root, 'var/lock/sm'))).toEqual([])
  })

  it('that were removed while somebody waited exclude again under their new name', async () => {
    const [remover, waiter, third] = [makeManager(), makeManager(), makeManager()]
    const held = await remover.lock('ns', 'sr')
    const waiting = waiter.lock('ns', 'sr')
    await remover.removeNamespace('ns')
    const lock = await waiting
    expect(await taken(third.tryLock('ns', 'sr'))).toBe(false)
    await held.release()
    await lock.release()
    expect(await taken(third.tryLock('ns', 'sr'))).toBe(true)
  })

  it('are made again and again while others remove them', async () => {
    const remover = makeManager()
    const done = new AbortController()
    const removing = (async () => {
      while (!done.signal.aborted) {
        await remover.removeNamespace('ns')
        await sleep(1)
      }
    })()
    try {
      for (let round = 0; round < 50; round += 1) {
        const lock = await makeManager().lock('ns', 'sr')
        await lock.release()
      }
    } finally {
      done.abort()
      await removing
    }
  })

  it.each(['..', '.', '', 'a/b', 'a\0b'])('are never outside the base directory: name %j', async name => {
    await expect(makeManager().lock('ns', name)).rejects.toMatchObject({ code: 37 })
    if (name !== '') await expect(makeManager().tryLock(name, 'sr')).rejects.toMatchObject({ code: 37 })
    await expect(makeManager().removeNamespace(name)).rejects.toMatchObject({ code: 37 })
  })
})

it('taking and releasing are one effect each, however long the wait', async () => {
  const seen: string[] = []
  const ours = makeManager(new Effects('', (_index, kind, detail) => seen.push(`${kind} ${detail}`)))
  const blocker = await makeManager().lock('ns', 'sr')
  const waiting = ours.lock('ns', 'sr')
  setTimeout(() => void blocker.release(), 40)
  await (await waiting).release()
  expect(seen).toEqual([`lock lock ${file}`, `lock unlock ${file}`])
})
