import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { BitmapCache } from '../../../lib/vhd/BitmapCache.ts'
import { Gate } from '../../../lib/vhd/Gate.ts'
import { inParallel } from '../../../lib/vhd/parallel.ts'
import { RangeLock } from '../../../lib/vhd/RangeLock.ts'

describe('the gate', () => {
  it('lets tasks pass together and one alone, in the order they came', async () => {
    const gate = new Gate()
    const log: string[] = []
    const task = (name: string) => async (): Promise<void> => {
      log.push(`+${name}`)
      await setImmediate()
      log.push(`-${name}`)
    }
    await Promise.all([gate.pass(task('a')), gate.pass(task('b')), gate.alone(task('C')), gate.pass(task('d'))])
    expect(log).toEqual(['+a', '+b', '-a', '-b', '+C', '-C', '+d', '-d'])
  })

  it('opens again after a failure', async () => {
    const gate = new Gate()
    await expect(gate.alone(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
    await expect(gate.pass(() => Promise.reject(new Error('neither')))).rejects.toThrow('neither')
    expect(await gate.alone(() => Promise.resolve(1))).toBe(1)
  })
})

describe('locks of ranges', () => {
  it('hold up only what overlaps, first come first served', async () => {
    const lock = new RangeLock()
    const log: string[] = []
    const run = (name: string, first: number, end: number): Promise<void> =>
      lock.run(first, end, async () => {
        log.push(`+${name}`)
        await setImmediate()
        log.push(`-${name}`)
      })
    await Promise.all([run('a', 0, 10), run('b', 5, 15), run('c', 12, 20), run('d', 20, 30)])
    expect(log).toEqual(['+a', '+d', '-a', '+b', '-d', '-b', '+c', '-c'])
  })
})

describe('work in parallel', () => {
  it('is bounded, and ends with the first failure once all that ran has ended', async () => {
    let [running, most, ended] = [0, 0, 0]
    const work = inParallel([1, 2, 3, 4, 5, 6, 7, 8], 3, async item => {
      running += 1
      most = Math.max(most, running)
      await setImmediate()
      running -= 1
      ended += 1
      if (item === 4) throw new Error(`item ${item}`)
    })
    await expect(work).rejects.toThrow('item 4')
    expect({ running, most }).toEqual({ running: 0, most: 3 })
    expect(ended).toBeLessThan(8)
  })
})

describe('the cache of bitmaps', () => {
  const load = (fill: number) => (): Promise<Buffer> => Promise.resolve(Buffer.alloc(512, fill))

  it('stays within its bound and drops what was not used for longest', async () => {
    const cache = new BitmapCache(3 * 512)
    for (const block of [1, 2, 3]) await cache.get(block, load(block))
    await cache.get(1, load(99))
    await cache.get(4, load(4))
    expect(cache.bytes).toBe(3 * 512)
    expect((await cache.get(1, load(99)))[0]).toBe(1)
    expect((await cache.get(2, load(99)))[0]).toBe(99)
  })

  it('loads once for many, and again after a failure', async () => {
    const cache = new BitmapCache(4096)
    let loads = 0
    const counted = async (): Promise<Buffer> => {
      loads += 1
      await setImmediate()
      if (loads === 1) throw new Error('first')
      return Buffer.alloc(512)
    }
    const both = await Promise.allSettled([cache.get(1, counted), cache.get(1, counted)])
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    await Promise.all([cache.get(1, counted), cache.get(1, counted)])
    expect(loads).toBe(2)
  })

  it('does not keep what was loaded before a newer bitmap came', async () => {
    const cache = new BitmapCache(4096)
    const loading = cache.get(1, load(1))
    cache.keep(1, Buffer.alloc(512, 2))
    await loading
    expect((await cache.get(1, load(3)))[0]).toBe(2)
  })
})
