import { expect, test } from 'vitest'
import { Unimplemented } from '../../lib/toolstack/storage/errors.ts'
import { lockedStorage } from '../../lib/toolstack/storage/locked-storage.ts'
import type { Storage } from '../../lib/toolstack/storage/Storage.ts'
import { StorageLocks } from '../../lib/toolstack/storage/StorageLocks.ts'

const disk = (vdi: string, sr = 'sr') => ({ sr, vdi })

/** Work that goes on until it is told to end, and says when it began. */
function work(events: string[], name: string) {
  let end: () => void = () => undefined
  const ended = new Promise<void>(resolve => {
    end = resolve
  })
  const body = async () => {
    events.push(`${name} begins`)
    await ended
    events.push(`${name} ends`)
  }
  return { body, end }
}

const settled = () => new Promise<void>(resolve => setImmediate(resolve))

test('one disk is for one at a time, two disks are independent', async () => {
  const [locks, events] = [new StorageLocks(), [] as string[]]
  const [first, second, other] = ['first', 'second', 'other'].map(name => work(events, name))
  if (first === undefined || second === undefined || other === undefined) throw new Error('three')
  const running = [
    locks.withVdi(disk('a'), first.body),
    locks.withVdi(disk('a'), second.body),
    locks.withVdi(disk('b'), other.body),
  ]
  await settled()
  expect(events).toEqual(['first begins', 'other begins'])
  first.end()
  await settled()
  expect(events.slice(2)).toEqual(['first ends', 'second begins'])
  second.end()
  other.end()
  await Promise.all(running)
})

test('an SR waits for its disks and keeps them, but not those of another', async () => {
  const [locks, events] = [new StorageLocks(), [] as string[]]
  const [using, whole, late] = ['using', 'whole', 'late'].map(name => work(events, name))
  if (using === undefined || whole === undefined || late === undefined) throw new Error('three')
  const first = locks.withVdi(disk('a'), using.body)
  const second = locks.withSr('sr', whole.body)
  await locks.withSr('other', () => Promise.resolve(events.push('other SR')))
  using.end()
  await first
  await settled()
  const third = locks.withVdi(disk('a'), late.body)
  await settled()
  expect(events).toEqual(['using begins', 'other SR', 'using ends', 'whole begins'])
  whole.end()
  late.end()
  await Promise.all([second, third])
  expect(events.slice(4)).toEqual(['whole ends', 'late begins', 'late ends'])
})

test('a failure gives the lock back', async () => {
  const locks = new StorageLocks()
  const failing = locks.withVdi(disk('a'), () => Promise.reject(new Unimplemented('vdi_clone')))
  await expect(failing).rejects.toThrow(Unimplemented)
  expect(await locks.withSr('sr', () => Promise.resolve('free'))).toBe('free')
})

/** Storage that only tells which calls are running. */
function watched(running: Set<string>): Storage {
  const call = (name: string) => async () => {
    running.add(name)
    await settled()
    running.delete(name)
  }
  const group = { get: (_target: object, name: string) => call(name), ownKeys: () => names, getOwnPropertyDescriptor }
  return { SR: new Proxy({}, group), VDI: new Proxy({}, group) } as unknown as Storage
}

const names = ['snapshot', 'revert', 'clone', 'stat']
const getOwnPropertyDescriptor = () => ({ enumerable: true, configurable: true })

test('a snapshot of a disk keeps a clone of it away, and not a revert, as in xapi', async () => {
  const running = new Set<string>()
  const storage = lockedStorage(watched(running))
  const dbg = { task: 'OpaqueRef:task' }
  const calls = [
    storage.VDI.snapshot(dbg, disk('a'), {}),
    storage.VDI.clone(dbg, disk('a'), {}),
    storage.VDI.revert(dbg, 'sr', { vdi: 'a' } as Parameters<Storage['VDI']['revert']>[2]),
  ]
  await Promise.resolve()
  expect([...running].sort()).toEqual(['revert', 'snapshot'])
  await Promise.all(calls)
  expect(running.size).toBe(0)
})
