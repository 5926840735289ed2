import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { StatusRange, WritableDiskImage } from '../../../lib/vhd/DiskImage.ts'
import { openImage } from '../../../lib/vhd/openImage.ts'
import { Effects, type EffectKind, errnoError } from '../../../lib/os/effects.ts'
import { type Change, SectorModel } from './SectorModel.ts'
import { MemoryFiles } from './MemoryFiles.ts'
import { makeSmallChild, makeSmallDisk, SMALL_BLOCK, SMALL_SIZE } from './smallDisk.ts'
import { coin, makeUtil, PowerCut } from './support.ts'

const SECTOR = 512
const SECTORS = SMALL_SIZE / SECTOR
const [BASE, LEAF] = ['/sr/base.vhd', '/sr/leaf.vhd']

const edge = fc.nat(SECTORS).map(sector => sector * SECTOR)
const range = fc
  .tuple(fc.oneof(edge, fc.nat(SMALL_SIZE)), fc.oneof(edge, fc.nat(SMALL_SIZE)))
  .map(([one, other]) => ({ position: Math.min(one, other), length: Math.abs(one - other) }))
const change: fc.Arbitrary<Change> = fc
  .tuple(
    range,
    fc.constantFrom('write' as const, 'write' as const, 'zero' as const, 'allocate' as const, 'trim' as const),
    fc.integer({ min: 1, max: 255 }),
  )
  .map(([{ position, length }, kind, fill]) => ({ kind, fill, position, length }))

/** Changes made at the same time, then perhaps a flush or a reopening. */
interface Batch {
  readonly changes: readonly Change[]
  readonly after: 'nothing' | 'flush' | 'reopen'
}

const batches: fc.Arbitrary<Batch[]> = fc.array(
  fc.record({
    changes: fc.array(change, { minLength: 1, maxLength: 6 }),
    after: fc.constantFrom('nothing', 'nothing', 'flush', 'reopen'),
  }),
  { minLength: 1, maxLength: 6 },
)

describe('a disk changed by many calls at a time', () => {
  it('holds what the calls leave in their order, through flushes and reopening', async () => {
    await fc.assert(
      fc.asyncProperty(batches, fc.boolean(), async (steps, writeThrough) => {
        const files = await makeChain()
        let disk = await openImage(files, LEAF, { write: true, writeThrough })
        const model = new SectorModel(await disk.read(0, SMALL_SIZE))
        for (const { changes, after } of steps) {
          await Promise.all(changes.map(item => run(disk, item)))
          for (const item of changes) model.apply(item)
          if (after === 'flush') await disk.flush()
          if (after === 'reopen') {
            await disk.close()
            disk = await openImage(files, LEAF, { write: true, writeThrough })
          }
          const found = await disk.read(0, SMALL_SIZE)
          expect(model.wrongSectors(found)).toEqual([])
          model.settle(found)
        }
        await disk.close()
        await makeUtil({ files }).check(LEAF)
      }),
      { numRuns: 300 },
    )
  })

  it('reads while others write without waiting for them', async () => {
    const files = await makeChain()
    const disk = await openImage(files, LEAF, { write: true })
    const [before] = await Promise.all([disk.read(0, 512), disk.write(4096, Buffer.alloc(4096, 1)), disk.flush()])
    expect(before).toEqual(Buffer.alloc(512, 0xb0))
    await disk.close()
  })

  it('takes two first writes to one block as one block', async () => {
    const files = await makeChain()
    const disk = await openImage(files, LEAF, { write: true })
    await Promise.all([0, 1, 2, 3].map(sector => disk.write(sector * 1024, Buffer.alloc(512, sector + 1))))
    await disk.close()
    expect(await makeUtil({ files }).allocatedBlocks(LEAF)).toBe(1)
  })
})

describe('power cut at any effect, with any of the unsynced sectors lost', () => {
  it('keeps what was flushed, and of the rest the old or the new', async () => {
    await fc.assert(
      fc.asyncProperty(batches, fc.integer({ min: 1, max: 60 }), fc.nat(), async (steps, at, seed) => {
        const files = await makeChain()
        const disk = await openImage(files.withEffects(new PowerCut(at)), LEAF, { write: true })
        const model = new SectorModel(await disk.read(0, SMALL_SIZE))
        await runUntilCut(disk, steps, model)
        for (const node of files.nodes.values()) node.cutPower(coin(seed))
        const again = await openImage(files, LEAF, { write: true })
        expect(model.impossibleSectors(await again.read(0, SMALL_SIZE))).toEqual([])
        await again.write(0, Buffer.alloc(SMALL_SIZE, 7))
        await again.close()
        expect((await readAll(files, LEAF)).equals(Buffer.alloc(SMALL_SIZE, 7))).toBe(true)
      }),
      { numRuns: 400 },
    )
  })
})

describe('zeroes', () => {
  it('hide what the parent holds', async () => {
    const files = await makeChain()
    const disk = await openImage(files, LEAF, { write: true })
    await disk.writeZeroes(100, 3 * SMALL_BLOCK)
    await disk.close()
    const content = await readAll(files, LEAF)
    expect(content.subarray(0, 100)).toEqual(Buffer.alloc(100, 0xb0))
    expect(content.subarray(100, 100 + 3 * SMALL_BLOCK)).toEqual(Buffer.alloc(3 * SMALL_BLOCK))
  })

  it('take no room where nothing is, unless asked to', async () => {
    const files = new MemoryFiles()
    await makeSmallDisk(files, BASE)
    const disk = await openImage(files, BASE, { write: true })
    await disk.writeZeroes(0, SMALL_SIZE)
    expect(disk.allocatedRanges()).toEqual([])
    await disk.writeZeroes(SMALL_BLOCK, SMALL_BLOCK, { allocate: true })
    expect(disk.allocatedRanges()).toEqual([{ offset: SMALL_BLOCK, length: SMALL_BLOCK }])
    await disk.close()
  })

  it('end where they are told to, within one sector too', async () => {
    const files = await makeChain()
    const disk = await openImage(files, LEAF, { write: true })
    await disk.writeZeroes(10, 20)
    expect(await disk.read(9, 22)).toEqual(Buffer.concat([Buffer.from([0xb0]), Buffer.alloc(20), Buffer.from([0xb0])]))
    await expect(disk.writeZeroes(SMALL_SIZE - 1, 2)).rejects.toMatchObject({ code: 'ERANGE' })
    await disk.close()
  })
})

describe('trimming', () => {
  it('empties what the leaf holds and leaves the parent’s content in sight', async () => {
    const files = await makeChain()
    const disk = await openImage(files, LEAF, { write: true })
    await disk.write(512, Buffer.alloc(512, 1))
    await disk.trim(0, SMALL_SIZE)
    expect(await disk.read(512, 512)).toEqual(Buffer.alloc(512))
    expect(await disk.read(0, 512)).toEqual(Buffer.alloc(512, 0xb0))
    await disk.close()
  })
})

describe('block status', () => {
  it('tells data of any image from what no image holds', async () => {
    const files = await makeChain()
    const disk = await openImage(files, LEAF, { write: true })
    await disk.write(6 * SMALL_BLOCK, Buffer.alloc(1024, 1))
    const base = 2 * SMALL_BLOCK
    expect(await statusOf(disk, 100, SMALL_SIZE - 100)).toEqual([
      { offset: 100, length: base - 100, kind: 'data' },
      { offset: base, length: 4 * SMALL_BLOCK, kind: 'hole' },
      { offset: 6 * SMALL_BLOCK, length: 1024, kind: 'data' },
      { offset: 6 * SMALL_BLOCK + 1024, length: SMALL_SIZE - 6 * SMALL_BLOCK - 1024, kind: 'hole' },
    ])
    expect(await statusOf(disk, 5, 0)).toEqual([])
    await disk.close()
  })
})

describe('a disk with no room left', () => {
  it('fails the write and keeps serving', async () => {
    const files = await makeChain()
    const room = new LimitedRoom()
    const disk = await openImage(files.withEffects(room), LEAF, { write: true })
    await disk.write(0, Buffer.alloc(SMALL_BLOCK, 1))
    await disk.flush()
    room.limit = (files.nodes.get(LEAF)?.size ?? 0) + 512
    await expect(disk.write(4 * SMALL_BLOCK, Buffer.alloc(512, 2))).rejects.toMatchObject({ code: 'ENOSPC' })
    expect(await disk.read(4 * SMALL_BLOCK, 512)).toEqual(Buffer.alloc(512))
    await disk.write(512, Buffer.alloc(512, 3))
    await disk.close()
    expect((await readAll(files, LEAF)).subarray(0, 1024)).toEqual(
      Buffer.concat([Buffer.alloc(512, 1), Buffer.alloc(512, 3)]),
    )
    expect(await makeUtil({ files }).allocatedBlocks(LEAF)).toBe(1)
  })
})

/** A base with data in its first two blocks and an empty leaf. */
async function makeChain(): Promise<MemoryFiles> {
  const files = new MemoryFiles()
  await makeSmallDisk(files, BASE)
  const base = await openImage(files, BASE, { write: true })
  await base.write(0, Buffer.alloc(2 * SMALL_BLOCK, 0xb0))
  await base.close()
  await makeSmallChild(files, LEAF, { parent: BASE })
  return files
}

async function run(disk: WritableDiskImage, { kind, position, length, fill }: Change): Promise<void> {
  switch (kind) {
    case 'write':
      return disk.write(position, Buffer.alloc(length, fill))
    case 'trim':
      return disk.trim(position, length)
    default:
      return disk.writeZeroes(position, length, { allocate: kind === 'allocate' })
  }
}

async function runUntilCut(disk: WritableDiskImage, steps: readonly Batch[], model: SectorModel): Promise<void> {
  try {
    for (const { changes, after } of steps) {
      for (const item of changes) {
        model.apply(item)
        await run(disk, item)
      }
      if (after === 'nothing') continue
      await disk.flush()
      model.settle(await disk.read(0, SMALL_SIZE))
    }
    await disk.flush()
    model.settle(await disk.read(0, SMALL_SIZE))
    await disk.close()
  } catch (error) {
    expect(String(error)).toContain('no power')
  }
}

async function readAll(files: MemoryFiles, name: string): Promise<Buffer> {
  const disk = await openImage(files, name)
  return disk.read(0, disk.virtualSize).finally(() => disk.close())
}

async function statusOf(disk: WritableDiskImage, position: number, length: number): Promise<StatusRange[]> {
  const found: StatusRange[] = []
  for await (const item of disk.status(position, length)) found.push(item)
  return found
}

/** A file system where no file can be longer than `limit` bytes. */
class LimitedRoom extends Effects {
  limit = Infinity

  constructor() {
    super('')
  }

  override before(_kind: EffectKind, detail: string): void {
    const [, position, length] = /^write .* (\d+)\+(\d+)$/.exec(detail) ?? []
    if (Number(position ?? 0) + Number(length ?? 0) > this.limit) throw errnoError('ENOSPC', detail)
  }
}
