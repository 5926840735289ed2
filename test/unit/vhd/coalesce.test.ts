import * as fs from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { coalesce } from '../../../lib/vhd/coalesce.ts'
import { createFixedDisk } from '../../../lib/vhd/create.ts'
import { openImage } from '../../../lib/vhd/openImage.ts'
import { goldenCases, goldenFile, sha256 } from '../../conformance/vhdGolden.ts'
import { MemoryFiles } from './MemoryFiles.ts'
import { makeSmallChild, makeSmallDisk, SMALL_BLOCK, SMALL_SIZE } from './smallDisk.ts'
import { coin, files as realFiles, makeUtil, newUuid, PowerCut, scratch } from './support.ts'

const LEAF = '/sr/leaf.vhd'
const BATMAP = 1536 + 512

type ParentKind = 'dynamic' | 'differencing' | 'fixed' | 'raw'

interface Write {
  readonly sector: number
  readonly count: number
  readonly fill: number
}

const SECTORS = SMALL_SIZE / 512
const write: fc.Arbitrary<Write> = fc
  .record({
    sector: fc.oneof(
      fc.nat(SECTORS - 1),
      fc.nat(11).map(block => block * 8),
    ),
    count: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(8, 16)),
    fill: fc.integer({ min: 1, max: 255 }),
  })
  .map(item => ({ ...item, count: Math.min(item.count, SECTORS - item.sector) }))

const family = fc.record({
  kind: fc.constantFrom<ParentKind>('dynamic', 'differencing', 'fixed', 'raw'),
  inParent: fc.array(write, { maxLength: 5 }),
  inChild: fc.array(write, { minLength: 1, maxLength: 8 }),
})

interface Family {
  readonly kind: ParentKind
  readonly inParent: readonly Write[]
  readonly inChild: readonly Write[]
}

describe('coalescing', () => {
  it('gives any kind of parent the content of the child, which stays as it is', async () => {
    await fc.assert(
      fc.asyncProperty(family, async shape => {
        const files = new MemoryFiles()
        const parent = await makeFamily(files, shape)
        const expected = await readAll(files, LEAF)
        const child = files.nodes.get(LEAF)?.content()
        const sectors = sectorsWritten(shape.inChild)
        expect(await coalesce(files, LEAF)).toEqual({ sectors })
        expect((await readAll(files, parent)).equals(expected)).toBe(true)
        const after = files.nodes.get(parent)?.content()
        expect(await coalesce(files, LEAF)).toEqual({ sectors })
        expect(
          files.nodes
            .get(parent)
            ?.content()
            .equals(after ?? Buffer.alloc(0)),
        ).toBe(true)
        expect(
          files.nodes
            .get(LEAF)
            ?.content()
            .equals(child ?? Buffer.alloc(0)),
        ).toBe(true)
        if (shape.kind !== 'raw') await makeUtil({ files }).check(parent)
      }),
      { numRuns: 200 },
    )
  })

  it('loses nothing when the power is cut at any effect, and another run finishes', async () => {
    await fc.assert(
      fc.asyncProperty(family, fc.integer({ min: 1, max: 50 }), fc.nat(), async (shape, at, seed) => {
        const files = new MemoryFiles()
        const parent = await makeFamily(files, shape)
        const expected = await readAll(files, LEAF)
        await coalesce(files.withEffects(new PowerCut(at)), LEAF).catch((error: unknown) => {
          expect(String(error)).toContain('no power')
        })
        for (const node of files.nodes.values()) node.cutPower(coin(seed))
        expect((await readAll(files, LEAF)).equals(expected)).toBe(true)
        await coalesce(files, LEAF)
        expect((await readAll(files, parent)).equals(expected)).toBe(true)
        if (shape.kind !== 'raw') await makeUtil({ files }).check(parent)
      }),
      { numRuns: 400 },
    )
  })

  it.each([
    ['coalesced', 8193],
    ['coalesced-raw', 4096],
  ])('leaves the bytes the reference leaves: %s', async (name, expectedSectors) => {
    const golden = goldenCases().find(item => item.name === name)
    if (golden === undefined) throw new Error(`no case ${name}`)
    const directory = scratch()
    const [before, base] = name === 'coalesced' ? ['base-before.vhd', 'base.vhd'] : [undefined, 'base.raw']
    const content = before === undefined ? Buffer.alloc(6 * 1024 * 1024, 17) : goldenFile(golden, before)
    fs.writeFileSync(path.join(directory, base), content)
    fs.writeFileSync(path.join(directory, 'leaf.vhd'), goldenFile(golden, 'leaf.vhd'))
    const leaf = path.join(directory, 'leaf.vhd')
    expect(await coalesce(realFiles, leaf, { boundary: directory })).toEqual({ sectors: expectedSectors })
    const expected = golden.files.find(file => file.path === base)?.sha256
    expect(sha256(fs.readFileSync(path.join(directory, base)))).toBe(expected)
  })
})

describe('coalescing into a parent', () => {
  let files: MemoryFiles
  let parent: string

  beforeEach(async () => {
    files = new MemoryFiles()
    const inChild = [
      { sector: 0, count: 8, fill: 1 },
      { sector: 50, count: 3, fill: 2 },
    ]
    parent = await makeFamily(files, { kind: 'dynamic', inParent: [{ sector: 8, count: 8, fill: 9 }], inChild })
  })

  it('works where the parent is hidden', async () => {
    await makeUtil({ files }).setHidden(parent, true)
    await coalesce(files, LEAF)
    expect((await readAll(files, parent)).subarray(50 * 512, 53 * 512)).toEqual(Buffer.alloc(3 * 512, 2))
    expect(await makeUtil({ files }).hidden(parent)).toBe(true)
  })

  it('tells how far it is, block by block', async () => {
    const told: string[] = []
    await coalesce(files, LEAF, { onProgress: (done, all) => told.push(`${done}/${all}`) })
    expect(told).toEqual(Array.from({ length: 13 }, (_, index) => `${index}/12`))
  })

  it('ends when it is told to, leaving a sound parent', async () => {
    const control = new AbortController()
    const expected = await readAll(files, LEAF)
    const stop = (done: number): void => {
      if (done === 3) control.abort(new Error('enough'))
    }
    await expect(coalesce(files, LEAF, { signal: control.signal, onProgress: stop })).rejects.toThrow('enough')
    await makeUtil({ files }).check(parent)
    expect((await readAll(files, parent)).subarray(0, 512)).toEqual(Buffer.alloc(512, 1))
    expect((await readAll(files, parent)).subarray(50 * 512, 51 * 512)).toEqual(Buffer.alloc(512))
    await coalesce(files, LEAF)
    expect((await readAll(files, parent)).equals(expected)).toBe(true)
  })

  it('mends a batmap that a crash left half written', async () => {
    files.nodes.get(parent)?.write(Buffer.from([0x55]), BATMAP + 512)
    await expect(makeUtil({ files }).check(parent)).rejects.toMatchObject({ code: 'EINVAL' })
    const expected = await readAll(files, LEAF)
    await coalesce(files, LEAF)
    expect((await readAll(files, parent)).equals(expected)).toBe(true)
    await makeUtil({ files }).check(parent)
  })

  it('mends a batmap whose checksum, alone on disk, is that of no bits at all', async () => {
    await makeSmallDisk(files, parent)
    await makeSmallChild(files, LEAF, { parent })
    await writeAll(files, LEAF, [{ sector: 0, count: 3, fill: 1 }])
    files.nodes.get(parent)?.write(Buffer.from([0x80]), BATMAP + 512)
    await coalesce(files, LEAF)
    await makeUtil({ files }).check(parent)
  })

  it('is refused for a parent that has become another disk', async () => {
    await makeSmallDisk(files, parent)
    const before = files.nodes.get(parent)?.content()
    await expect(coalesce(files, LEAF)).rejects.toMatchObject({ code: 'EINVAL' })
    expect(
      files.nodes
        .get(parent)
        ?.content()
        .equals(before ?? Buffer.alloc(0)),
    ).toBe(true)
  })

  it('is refused for a disk without a parent, a missing one and one outside the boundary', async () => {
    await expect(coalesce(files, parent)).rejects.toMatchObject({ code: 'EINVAL' })
    files.put('/other/x.vhd', Buffer.alloc(512))
    await expect(coalesce(files, LEAF, { boundary: '/other' })).rejects.toMatchObject({ code: 'EACCES' })
    await files.unlink(parent)
    await expect(coalesce(files, LEAF)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('stops at the first sector past its end', async () => {
    const small = '/sr/small.vhd'
    const size = 4 * SMALL_BLOCK
    await makeSmallDisk(files, small, size)
    await makeSmallChild(files, '/sr/big.vhd', { parent: small })
    const child = await openImage(files, '/sr/big.vhd', { write: true })
    await child.write(0, Buffer.alloc(SMALL_SIZE, 3))
    await child.close()
    await expect(coalesce(files, '/sr/big.vhd')).rejects.toMatchObject({ code: 'ERANGE', errno: 34 })
    expect((await readAll(files, small)).equals(Buffer.alloc(size, 3))).toBe(true)
    await makeUtil({ files }).check(small)
  })
})

/** Makes a parent of some kind and its child; returns the parent's name. */
async function makeFamily(files: MemoryFiles, { kind, inParent, inChild }: Family): Promise<string> {
  const parent = kind === 'raw' ? '/sr/parent.raw' : '/sr/parent.vhd'
  if (kind === 'raw') files.put(parent, Buffer.alloc(SMALL_SIZE, 5))
  else if (kind === 'fixed') await createFixedDisk(files, { path: parent, size: SMALL_SIZE, uuid: newUuid(), now: 0 })
  else if (kind === 'dynamic') await makeSmallDisk(files, parent)
  else {
    await makeSmallDisk(files, '/sr/root.vhd')
    await writeAll(files, '/sr/root.vhd', [{ sector: 20, count: 30, fill: 77 }])
    await makeSmallChild(files, parent, { parent: '/sr/root.vhd' })
  }
  await writeAll(files, parent, inParent)
  await makeSmallChild(files, LEAF, { parent, raw: kind === 'raw' })
  await writeAll(files, LEAF, inChild)
  return parent
}

async function writeAll(files: MemoryFiles, name: string, writes: readonly Write[]): Promise<void> {
  const disk = await openImage(files, name, { write: true })
  for (const { sector, count, fill } of writes) await disk.write(sector * 512, Buffer.alloc(count * 512, fill))
  await disk.close()
}

function sectorsWritten(writes: readonly Write[]): number {
  const sectors = writes.flatMap(({ sector, count }) => Array.from({ length: count }, (_, index) => sector + index))
  return new Set(sectors).size
}

async function readAll(files: MemoryFiles, name: string): Promise<Buffer> {
  const disk = await openImage(files, name)
  return disk.read(0, disk.virtualSize).finally(() => disk.close())
}
