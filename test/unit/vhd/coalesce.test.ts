import * as fs from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CoalesceOptions, coalesce } from '../../../lib/vhd/coalesce.ts'
import {
  BLOCK,
  countEffects,
  files,
  filesCutAt,
  filesFailingAt,
  makeUtil,
  readGuest,
  scratch,
  writeGuest,
} from './support.ts'

const SECTOR = 512
const util = makeUtil()

interface Chain {
  readonly directory: string
  readonly base: string
  readonly leaf: string
}

interface Write {
  readonly sector: number
  readonly count: number
  readonly fill: number
}

async function makeChain(blocks = 4): Promise<Chain> {
  const directory = scratch()
  const chain = { directory, base: path.join(directory, 'base.vhd'), leaf: path.join(directory, 'leaf.vhd') }
  await util.create(chain.base, blocks * BLOCK)
  await util.snapshot(chain.leaf, chain.base)
  return chain
}

async function apply(file: string, writes: readonly Write[]): Promise<void> {
  for (const { sector, count, fill } of writes)
    await writeGuest(file, sector * SECTOR, Buffer.alloc(count * SECTOR, fill))
}

/** A parent with a full, a partial and an absent block under a child that has each kind on top of each. */
async function makeMixedChain(): Promise<Chain> {
  const chain = await makeChain(6)
  await apply(chain.base, [
    { sector: 0, count: 4096, fill: 1 },
    { sector: 4096, count: 100, fill: 2 },
    { sector: 3 * 4096 + 7, count: 4089, fill: 3 },
  ])
  await apply(chain.leaf, [
    { sector: 10, count: 20, fill: 4 },
    { sector: 4096 + 50, count: 100, fill: 5 },
    { sector: 2 * 4096, count: 4096, fill: 6 },
    { sector: 3 * 4096, count: 7, fill: 7 },
    { sector: 5 * 4096 + 4000, count: 96, fill: 8 },
  ])
  await util.setHidden(chain.base, true)
  return chain
}

async function merge(chain: Chain, options?: CoalesceOptions): Promise<number> {
  return (await coalesce(files, chain.leaf, options)).sectors
}

describe('coalesce', () => {
  it('gives the parent what a guest reads through the child, and the child stays as it is', async () => {
    const chain = await makeMixedChain()
    const before = { guest: await readGuest(chain.leaf), leaf: fs.readFileSync(chain.leaf) }
    expect(await merge(chain)).toBe(20 + 100 + 4096 + 7 + 96)
    expect((await readGuest(chain.base)).equals(before.guest)).toBe(true)
    expect(fs.readFileSync(chain.leaf).equals(before.leaf)).toBe(true)
    expect((await readGuest(chain.leaf)).equals(before.guest)).toBe(true)
    expect(await util.hidden(chain.base)).toBe(true)
    await util.check(chain.base)
  })

  it('agrees with a model for any writes above and below', async () => {
    const write = fc.record({
      sector: fc.nat(2 * 4096 - 1),
      count: fc.integer({ min: 1, max: 5000 }),
      fill: fc.integer({ min: 1, max: 255 }),
    })
    const writes = fc.array(
      write.map(one => ({ ...one, count: Math.min(one.count, 2 * 4096 - one.sector) })),
      { maxLength: 4 },
    )
    await fc.assert(
      fc.asyncProperty(writes, writes, async (below, above) => {
        const chain = await makeChain(2)
        await apply(chain.base, below)
        await apply(chain.leaf, above)
        const model = Buffer.alloc(2 * BLOCK)
        const present = new Set<number>()
        for (const { sector, count, fill } of [...below, ...above])
          model.fill(fill, sector * SECTOR, (sector + count) * SECTOR)
        for (const { sector, count } of above) for (let at = 0; at < count; at++) present.add(sector + at)
        expect(await merge(chain)).toBe(present.size)
        expect((await readGuest(chain.base)).equals(model)).toBe(true)
        await util.check(chain.base)
      }),
      { numRuns: 25 },
    )
  })

  it('writes into a raw parent and makes a short one longer', async () => {
    const directory = scratch()
    const [base, leaf] = [path.join(directory, 'base.raw'), path.join(directory, 'leaf.vhd')]
    fs.writeFileSync(base, Buffer.alloc(BLOCK + 3 * SECTOR, 9))
    await util.snapshot(leaf, base, { parentRaw: true })
    await util.resize(leaf, 3 * BLOCK, path.join(directory, 'journal'))
    await writeGuest(leaf, SECTOR, Buffer.alloc(SECTOR, 1))
    await writeGuest(leaf, 2 * BLOCK, Buffer.alloc(SECTOR, 2))
    expect(await coalesce(files, leaf)).toEqual({ sectors: 2 })
    const content = fs.readFileSync(base)
    expect(content.length).toBe(2 * BLOCK + SECTOR)
    expect(content.subarray(0, 3 * SECTOR)).toEqual(Buffer.concat([9, 1, 9].map(fill => Buffer.alloc(SECTOR, fill))))
    expect(content.subarray(BLOCK, BLOCK + 3 * SECTOR)).toEqual(Buffer.alloc(3 * SECTOR, 9))
    expect(content.subarray(BLOCK + 3 * SECTOR, 2 * BLOCK).every(byte => byte === 0)).toBe(true)
    expect(content.subarray(2 * BLOCK)).toEqual(Buffer.alloc(SECTOR, 2))
  })

  it('writes into a fixed disk', async () => {
    const directory = scratch()
    const [base, leaf] = [path.join(directory, 'base.vhd'), path.join(directory, 'leaf.vhd')]
    await util.create(base, BLOCK, { fixed: true })
    await util.snapshot(leaf, base)
    await writeGuest(leaf, 5 * SECTOR, Buffer.alloc(SECTOR, 1))
    await coalesce(files, leaf)
    const content = fs.readFileSync(base)
    expect(content.length).toBe(BLOCK + SECTOR)
    expect(content.subarray(5 * SECTOR, 6 * SECTOR)).toEqual(Buffer.alloc(SECTOR, 1))
    await util.check(base)
  })

  it('fails with ERANGE for data past the end of the parent', async () => {
    const chain = await makeChain(1)
    await util.resize(chain.leaf, 3 * BLOCK, path.join(chain.directory, 'journal'))
    await writeGuest(chain.leaf, 2 * BLOCK, Buffer.alloc(SECTOR, 1))
    await expect(merge(chain)).rejects.toMatchObject({ code: 'ERANGE' })
    await util.check(chain.base)
  })

  it('ignores the size of a child that holds nothing past the end of its parent', async () => {
    const chain = await makeChain(1)
    await util.resize(chain.leaf, 3 * BLOCK, path.join(chain.directory, 'journal'))
    await writeGuest(chain.leaf, 0, Buffer.alloc(SECTOR, 1))
    expect(await merge(chain)).toBe(1)
  })
})

describe('what coalesce refuses', () => {
  it('leaves a file alone that is not the parent the child means', async () => {
    const chain = await makeMixedChain()
    await util.create(chain.base, 6 * BLOCK)
    const before = fs.readFileSync(chain.base)
    await expect(merge(chain)).rejects.toMatchObject({ code: 'EINVAL' })
    expect(fs.readFileSync(chain.base).equals(before)).toBe(true)
  })

  it('a disk without a parent, and one whose parent is missing', async () => {
    const chain = await makeChain()
    await expect(coalesce(files, chain.base)).rejects.toMatchObject({ code: 'EINVAL' })
    fs.unlinkSync(chain.base)
    await expect(merge(chain)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('a disk that names itself as its parent', async () => {
    const chain = await makeMixedChain()
    fs.unlinkSync(chain.base)
    fs.linkSync(chain.leaf, chain.base)
    const before = fs.readFileSync(chain.leaf)
    await expect(merge(chain)).rejects.toMatchObject({ code: 'ELOOP' })
    expect(fs.readFileSync(chain.leaf).equals(before)).toBe(true)
  })

  it('a parent outside the boundary', async () => {
    const outside = scratch()
    const boundary = path.join(outside, 'sr')
    fs.mkdirSync(boundary)
    const [base, leaf] = [path.join(outside, 'base.vhd'), path.join(boundary, 'leaf.vhd')]
    await util.create(base, BLOCK)
    await util.snapshot(leaf, base)
    await writeGuest(leaf, 0, Buffer.alloc(SECTOR, 1))
    const before = fs.readFileSync(base)
    await expect(coalesce(files, leaf, { boundary })).rejects.toMatchObject({ code: 'EACCES' })
    expect(fs.readFileSync(base).equals(before)).toBe(true)
  })
})

describe('an interrupted coalesce', () => {
  /** After the interruption the child still reads the same, and a second run finishes the work. */
  async function expectFinishable(chain: Chain, guest: Buffer): Promise<void> {
    expect((await readGuest(chain.leaf)).equals(guest)).toBe(true)
    await merge(chain)
    expect((await readGuest(chain.base)).equals(guest)).toBe(true)
    await util.check(chain.base)
  }

  it('is finished by a second run, wherever the power went', async () => {
    const template = await makeMixedChain()
    const guest = await readGuest(template.leaf)
    const base = fs.readFileSync(template.base)
    const effects = await countEffects(async counted => {
      await coalesce(counted, template.leaf)
    })
    expect(effects).toBeGreaterThan(10)
    for (let effect = 1; effect <= effects; effect++) {
      fs.writeFileSync(template.base, base)
      await expect(coalesce(filesCutAt(effect), template.leaf), `effect ${effect}`).rejects.toThrow()
      await expectFinishable(template, guest)
    }
  })

  it('is finished by a second run after the storage was full', async () => {
    const template = await makeMixedChain()
    const guest = await readGuest(template.leaf)
    const base = fs.readFileSync(template.base)
    for (let effect = 1; effect <= 10; effect++) {
      fs.writeFileSync(template.base, base)
      await expect(coalesce(filesFailingAt(effect), template.leaf)).rejects.toMatchObject({ code: 'ENOSPC' })
      await expectFinishable(template, guest)
    }
  })

  it('stops at the next block when it is cancelled, with a parent that is whole', async () => {
    const chain = await makeMixedChain()
    const guest = await readGuest(chain.leaf)
    const controller = new AbortController()
    const reason = new Error('enough')
    const seen: number[] = []
    const onProgress = (done: number): void => {
      seen.push(done)
      if (done === 3) controller.abort(reason)
    }
    await expect(merge(chain, { onProgress, signal: controller.signal })).rejects.toBe(reason)
    expect(seen).toEqual([0, 1, 2, 3])
    await util.check(chain.base)
    await expectFinishable(chain, guest)
  })

  it('tells its progress up to the end', async () => {
    const chain = await makeChain(4)
    const seen: (readonly [number, number])[] = []
    await merge(chain, { onProgress: (...progress) => seen.push(progress) })
    expect(seen).toEqual([0, 1, 2, 3, 4].map(done => [done, 4]))
  })
})
