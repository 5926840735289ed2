import * as fs from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Files } from '../../../lib/os/files.ts'
import { inspectVhd } from '../../../lib/vhd/inspect.ts'
import { openImage } from '../../../lib/vhd/openImage.ts'
import { VhdChain } from '../../../lib/vhd/VhdChain.ts'
import { BLOCK, countEffects, files, filesCutAt, makeUtil, MIB, readGuest, scratch, writeGuest } from './support.ts'

const util = makeUtil()
const SIZE = 2 * BLOCK

interface Write {
  readonly position: number
  readonly length: number
  readonly fill: number
}

const write: fc.Arbitrary<Write> = fc
  .record({
    position: fc.oneof(fc.nat(SIZE - 1), fc.constantFrom(0, BLOCK, BLOCK - 512, SIZE - 512)),
    length: fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.constantFrom(512, BLOCK, 65_536)),
    fill: fc.integer({ min: 1, max: 255 }),
  })
  .map(({ position, length, fill }) => ({ position, length: Math.min(length, SIZE - position), fill }))

type Step = { readonly kind: 'write'; readonly write: Write } | { readonly kind: 'flush' | 'reopen' | 'snapshot' }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: write.map(item => ({ kind: 'write' as const, write: item })) },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ kind: 'flush' }, { kind: 'reopen' }, { kind: 'snapshot' }) },
)

describe('writing to the leaf of a chain', () => {
  it('gives what an array in memory gives, through flushes, closes and snapshots', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 14 }), fc.boolean(), async (steps, writeThrough) => {
        const directory = fs.mkdtempSync(path.join(scratch(), 'run-'))
        const model = Buffer.alloc(SIZE)
        const leaf = await runSteps(directory, steps, { model, writeThrough })
        expect((await readGuest(leaf, directory)).equals(model)).toBe(true)
        await util.check(leaf)
        fs.rmSync(directory, { recursive: true })
      }),
      { numRuns: 40 },
    )
  })

  it('finds each write by a read of the same place before any flush', async () => {
    const disk = await makeDisk()
    const image = await openImage(files, disk, { write: true })
    await image.write(BLOCK - 700, Buffer.alloc(1400, 9))
    expect(await image.read(BLOCK - 701, 1402)).toEqual(
      Buffer.concat([Buffer.alloc(1), Buffer.alloc(1400, 9), Buffer.alloc(1)]),
    )
    await image.close()
  })

  it('serves concurrent writes one after the other', async () => {
    const disk = await makeDisk()
    const image = await openImage(files, disk, { write: true })
    await Promise.all(Array.from({ length: 32 }, (_, index) => image.write(index * 100, Buffer.alloc(100, index + 1))))
    await image.close()
    const content = await readGuest(disk)
    for (let index = 0; index < 32; index++) expect(content[index * 100 + 50]).toBe(index + 1)
    expect((await inspectVhd(files, disk)).allocatedBlocks).toBe(1)
  })

  it('records a block as full only once every sector is there', async () => {
    const disk = await makeDisk()
    await writeGuest(disk, 0, Buffer.alloc(BLOCK - 512, 1))
    expect(await fullBlocks(disk)).toEqual([false, false])
    await writeGuest(disk, BLOCK - 512, Buffer.alloc(512, 1))
    expect(await fullBlocks(disk)).toEqual([true, false])
  })

  it('leaves a file alone that nothing was written to', async () => {
    const disk = await makeDisk()
    const before = fs.readFileSync(disk)
    const image = await openImage(files, disk, { write: true })
    await image.read(0, SIZE)
    await image.close()
    expect(fs.readFileSync(disk).equals(before)).toBe(true)
  })

  it('refuses a hidden disk', async () => {
    const disk = await makeDisk()
    await util.setHidden(disk, true)
    await expect(openImage(files, disk, { write: true })).rejects.toMatchObject({ code: 'EROFS' })
  })

  it('refuses reads and writes past the end', async () => {
    const image = await openImage(files, await makeDisk(), { write: true })
    await expect(image.write(SIZE - 1, Buffer.alloc(2))).rejects.toMatchObject({ code: 'ERANGE' })
    await expect(image.read(SIZE, 1)).rejects.toMatchObject({ code: 'ERANGE' })
    await expect(image.read(-1, 1)).rejects.toMatchObject({ code: 'ERANGE' })
    await image.close()
  })

  it.each([
    ['into the metadata', 2],
    ['behind the end of the file', 1_000_000],
  ])('refuses a disk whose table leads %s', async (_, sector) => {
    const disk = await makeDisk()
    await writeGuest(disk, 0, Buffer.alloc(512, 1))
    patch(disk, 1536, sector)
    await expect(openImage(files, disk, { write: true })).rejects.toMatchObject({ code: 'EINVAL' })
  })
})

describe('a writer killed at any effect', () => {
  it('loses nothing that was flushed and leaves a disk that opens', async () => {
    const directory = scratch()
    const original = path.join(directory, 'd.vhd')
    await util.create(original, SIZE)
    const total = await countEffects(counted => writeInSteps(counted, copy(original)))
    expect(total).toBeGreaterThan(12)
    for (let effect = 1; effect <= total; effect++) {
      const disk = copy(original)
      const flushed = { first: false, second: false }
      await expect(writeInSteps(filesCutAt(effect), disk, flushed)).rejects.toThrow('no power')
      await util.check(disk, { allowMissingEndFooter: true })
      const content = await readGuest(disk)
      expect([0, 1]).toContain(content[0])
      if (flushed.first) expect(content.subarray(0, 4096)).toEqual(Buffer.alloc(4096, 1))
      if (flushed.second) expect(content.subarray(BLOCK - 1024, BLOCK + 1024)).toEqual(Buffer.alloc(2048, 2))
      await util.repair(disk)
      await util.check(disk)
    }
  })
})

describe('the order of writes', () => {
  it('makes data and a new bitmap durable before the table entry that leads to them', async () => {
    const disk = await makeDisk()
    const seen: string[] = []
    await countEffects(async counted => {
      const image = await openImage(counted, disk, { write: true })
      await image.write(4096, Buffer.alloc(1024, 1))
      await image.flush()
      await image.write(0, Buffer.alloc(512, 2))
      await image.close()
    }, seen)
    const [gap, table, bitmap, data] = ['write 3072+512', 'write 1536+512', 'write 3584+512', 'write 8192+1024']
    expect(seen.map(detail => detail.replace(`${disk} `, '').replace(` ${disk}`, ''))).toEqual([
      ...[gap, data, 'truncate 2101248', bitmap, 'fsync', table, 'fsync'],
      ...['write 4096+512', 'fsync', bitmap, 'fsync'],
      ...['write 2101248+512', 'write 0+512', 'fsync'],
    ])
  })
})

describe('raw images', () => {
  it('read and write bytes as they are and refuse other extensions', async () => {
    const directory = scratch()
    const raw = path.join(directory, 'd.raw')
    fs.writeFileSync(raw, Buffer.alloc(1000, 1))
    const image = await openImage(files, raw, { write: true, boundary: directory })
    await image.write(10, Buffer.from('hello'))
    expect((await image.read(9, 7)).toString()).toBe('\u0001hello\u0001')
    expect(image.virtualSize).toBe(1000)
    await expect(image.write(999, Buffer.alloc(2))).rejects.toMatchObject({ code: 'ERANGE' })
    await image.close()
    expect(fs.statSync(raw).size).toBe(1000)
    await expect(openImage(files, path.join(directory, 'd.qcow2'))).rejects.toMatchObject({ code: 'EINVAL' })
  })
})

describe('allocated ranges', () => {
  it('name the blocks with data anywhere in the chain', async () => {
    const directory = scratch()
    const base = path.join(directory, 'base.vhd')
    await util.create(base, 6 * BLOCK)
    await writeGuest(base, BLOCK + 5, Buffer.from('x'))
    await util.snapshot(path.join(directory, 'leaf.vhd'), base)
    await writeGuest(path.join(directory, 'leaf.vhd'), 2 * BLOCK, Buffer.from('y'))
    await writeGuest(path.join(directory, 'leaf.vhd'), 5 * BLOCK, Buffer.from('z'))
    const chain = await VhdChain.open(files, path.join(directory, 'leaf.vhd'))
    expect(chain.allocatedRanges()).toEqual([
      { offset: BLOCK, length: 2 * BLOCK },
      { offset: 5 * BLOCK, length: BLOCK },
    ])
    expect(chain.images).toEqual([path.join(directory, 'leaf.vhd'), base])
    await chain.close()
  })
})

async function makeDisk(): Promise<string> {
  const disk = path.join(scratch(), 'd.vhd')
  await util.create(disk, SIZE)
  return disk
}

async function runSteps(
  directory: string,
  steps: readonly Step[],
  { model, writeThrough }: { readonly model: Buffer; readonly writeThrough: boolean },
): Promise<string> {
  let leaf = path.join(directory, '0.vhd')
  await util.create(leaf, SIZE)
  let image = await openImage(files, leaf, { write: true, writeThrough })
  for (const [index, item] of steps.entries()) {
    if (item.kind === 'write') {
      const { position, length, fill } = item.write
      model.fill(fill, position, position + length)
      await image.write(position, Buffer.alloc(length, fill))
    } else if (item.kind === 'flush') {
      await image.flush()
    } else {
      await image.close()
      if (item.kind === 'snapshot') leaf = await snapshotOf(leaf, path.join(directory, `${index + 1}.vhd`))
      image = await openImage(files, leaf, { write: true, writeThrough, boundary: directory })
    }
    expect((await image.read(0, SIZE)).equals(model)).toBe(true)
  }
  await image.close()
  return leaf
}

async function snapshotOf(parent: string, child: string): Promise<string> {
  await util.setHidden(parent, true)
  await util.snapshot(child, parent)
  return child
}

async function writeInSteps(on: Files, disk: string, flushed = { first: false, second: false }): Promise<void> {
  const image = await openImage(on, disk, { write: true })
  try {
    await image.write(0, Buffer.alloc(4096, 1))
    await image.flush()
    flushed.first = true
    await image.write(BLOCK - 1024, Buffer.alloc(2048, 2))
    await image.flush()
    flushed.second = true
    await image.write(1024 * 1024, Buffer.alloc(512, 3))
  } finally {
    await image.close()
  }
}

function copy(original: string): string {
  const disk = path.join(scratch(), 'd.vhd')
  fs.copyFileSync(original, disk)
  return disk
}

async function fullBlocks(disk: string): Promise<boolean[]> {
  const chain = await VhdChain.open(files, disk)
  const found = [0, 1].map(block => chain.leaf?.batmap?.isFull(block) ?? false)
  await chain.close()
  return found
}

function patch(disk: string, offset: number, value: number): void {
  const handle = fs.openSync(disk, 'r+')
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  fs.writeSync(handle, bytes, 0, 4, offset)
  fs.closeSync(handle)
  expect(fs.statSync(disk).size).toBeLessThan(8 * MIB)
}
