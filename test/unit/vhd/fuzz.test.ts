import path from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { coalesce } from '../../../lib/vhd/coalesce.ts'
import { inspectVhd } from '../../../lib/vhd/inspect.ts'
import { openImage } from '../../../lib/vhd/openImage.ts'
import { VhdError } from '../../../lib/vhd/VhdUtil.ts'
import { type Damage, damage, damaged, damagedJournal, journalDamage, type Parts } from './hostileImage.ts'
import { MemoryFiles } from './MemoryFiles.ts'
import { makeSmallChild, makeSmallDisk, SMALL_BLOCK } from './smallDisk.ts'
import { makeUtil, PowerCut } from './support.ts'

/**
 * An image is a tenant's file. Whatever it holds, every operation ends in an answer or a `VhdError`, opens nothing outside
 * the SR and takes memory and time within bounds. `SM_FUZZ_CASES` asks for a longer run.
 */
const CASES = Number(process.env['SM_FUZZ_CASES'] ?? 20_000)

/** Milliseconds; a case takes about one. */
const TIMEOUT = 60_000 + CASES * 10

const MIB = 1024 * 1024
const SR = '/sr'
const [BASE, LEAF, JOURNAL] = [`${SR}/base.vhd`, `${SR}/leaf.vhd`, `${SR}/journal`]
/** Largest single buffer: a table of 4 Mi entries is 16 MiB. */
const MAX_BUFFER = 33 * MIB
/** Of all operations on one image together. */
const LIMITS = { calls: 60_000, read: 400 * MIB, written: 400 * MIB }

/** Where a child with few blocks has them. */
const PARTS: Parts = { table: 1536, batmapHeader: 2048, batmap: 2560, locators: 3072, data: 4608 }

/** Moving a block takes a thousand times the bytes. */
const isHeavy = fc.integer({ min: 0, max: 19 }).map(value => value === 0)

type Operation = (files: MemoryFiles) => Promise<unknown>

const READING: readonly Operation[] = [
  files => inspectVhd(files, LEAF),
  files => inspectVhd(files, LEAF, { backupFooter: true, allowPoisoned: true }),
  files => util(files).info(LEAF),
  files => util(files).parent(LEAF),
  files => util(files).depth(LEAF),
  files => util(files).physicalSize(LEAF),
  files => util(files).keyHash(LEAF),
  files => util(files).check(LEAF),
  files => util(files).check(LEAF, { allowMissingEndFooter: true }),
  files => util(files).scan(SR),
  files => readChain(files),
]

const WRITING: readonly Operation[] = [
  files => util(files).snapshot(`${SR}/new.vhd`, LEAF),
  files => writeLeaf(files),
  files => coalesce(files, LEAF, { boundary: SR }),
  files => util(files).setHidden(LEAF, true),
  files => util(files).setParent(LEAF, BASE),
  files => util(files).repair(LEAF),
  files => util(files).killData(LEAF),
]

let base: Buffer
let small: Image
/** With blocks of 2 MiB, which alone can grow: one that has none, and one with a block that is in the way. */
let empty: Image
let large: Image
let interruptedEmpty: Interrupted
let interrupted: Interrupted
const watch = watchAllocations(MAX_BUFFER)

/** A disk in the middle of a growth, and its journal. */
interface Interrupted {
  readonly disk: Buffer
  readonly journal: Buffer
}

interface Image {
  readonly bytes: Buffer
  readonly parts: Parts
}

beforeAll(async () => {
  const files = new MemoryFiles()
  await makeSmallDisk(files, BASE)
  await makeSmallChild(files, LEAF, { parent: BASE })
  await writeLeaf(files)
  base = contentOf(files, BASE)
  small = { bytes: contentOf(files, LEAF), parts: PARTS }
  await util(files).snapshot(LEAF, BASE, { exactParent: true })
  empty = { bytes: contentOf(files, LEAF), parts: PARTS }
  await writeLeaf(files)
  large = { bytes: contentOf(files, LEAF), parts: PARTS }
  interruptedEmpty = await interruptGrowth(empty)
  interrupted = await interruptGrowth(large)
  expect(interrupted.journal.length).toBeGreaterThan(2 * MIB)
})

afterAll(() => {
  watch.end()
})

describe('an image with hostile metadata', { timeout: TIMEOUT }, () => {
  it('is read within bounds', async () => {
    const some = fc.subarray([...READING], { minLength: 3, maxLength: 5 })
    await fuzz(fc.tuple(damage, some), CASES * 0.6, async ([item, operations]) =>
      survive(withLeaf(small, item), operations),
    )
  })

  it('is written within bounds', async () => {
    const cases = fc.tuple(damage, fc.constantFrom(...WRITING))
    await fuzz(cases, CASES * 0.3, async ([item, operation]) => survive(withLeaf(small, item), [operation]))
  })

  it('is grown within bounds', async () => {
    const sizes = fc.constantFrom(0, 4096, 64 * MIB, 4096 * MIB, 4096 * MIB, 2040 * 1024 * MIB, 2 ** 53 - 1)
    await fuzz(fc.tuple(damage, sizes, isHeavy), CASES * 0.05, async ([item, size, heavy]) =>
      survive(withLeaf(heavy ? large : empty, item), [files => util(files).resize(LEAF, size, JOURNAL)]),
    )
  })
})

describe('a resize journal with hostile content', { timeout: TIMEOUT }, () => {
  it('is followed within bounds', async () => {
    await fuzz(fc.tuple(journalDamage, isHeavy), CASES * 0.05, async ([item, heavy]) => {
      const files = new MemoryFiles()
      const { disk, journal } = heavy ? interrupted : interruptedEmpty
      files.put(BASE, base)
      files.put(LEAF, disk)
      files.put(JOURNAL, damagedJournal(journal, item))
      await survive(files, [() => util(files).revertResize(LEAF, JOURNAL)])
    })
  })
})

async function fuzz<T>(cases: fc.Arbitrary<T>, count: number, run: (item: T) => Promise<void>): Promise<void> {
  const before = process.memoryUsage().rss
  await fc.assert(fc.asyncProperty(cases, run), { numRuns: Math.ceil(count) })
  expect(process.memoryUsage().rss - before).toBeLessThan(1024 * MIB)
}

function withLeaf({ bytes, parts }: Image, item: Damage): MemoryFiles {
  const files = new MemoryFiles()
  files.put('/other/secret.vhd', base)
  files.put(BASE, base)
  const node = files.put(LEAF, damaged(bytes, parts, item))
  if (item.length !== undefined) node.truncate(item.length)
  return files
}

async function survive(files: MemoryFiles, operations: readonly Operation[]): Promise<void> {
  for (const operation of operations) {
    await operation(files).catch(requireVhdError)
  }
  const outside = [...files.usage.opened].filter(name => path.dirname(name) !== SR)
  expect(outside).toEqual([])
  const { calls, read, written } = files.usage
  expect(calls).toBeLessThan(LIMITS.calls)
  expect(read).toBeLessThan(LIMITS.read)
  expect(written).toBeLessThan(LIMITS.written)
}

async function readChain(files: MemoryFiles): Promise<void> {
  const disk = await openImage(files, LEAF, { boundary: SR })
  try {
    const length = Math.min(disk.virtualSize, 16 * SMALL_BLOCK)
    await disk.read(0, length)
    await disk.read(disk.virtualSize - length, length)
    for await (const { offset } of disk.status(0, length)) if (offset >= length) throw new Error('status past the end')
  } finally {
    await disk.close()
  }
}

async function writeLeaf(files: MemoryFiles): Promise<void> {
  const disk = await openImage(files, LEAF, { write: true, boundary: SR })
  try {
    await disk.write(0, Buffer.alloc(SMALL_BLOCK, 1))
    await disk.write(3 * SMALL_BLOCK + 512, Buffer.alloc(512, 2))
    await disk.trim(0, 1024)
  } finally {
    await disk.close()
  }
}

/** The growth that has come furthest when it was killed. */
async function interruptGrowth({ bytes }: Image): Promise<Interrupted> {
  let last: Interrupted | undefined
  for (let effect = 1; ; effect++) {
    const files = new MemoryFiles()
    files.put(BASE, base)
    files.put(LEAF, bytes)
    const cut = files.withEffects(new PowerCut(effect))
    await util(cut)
      .resize(LEAF, 4096 * MIB, JOURNAL)
      .catch(requireVhdError)
    const journal = cut.nodes.get(JOURNAL)?.content()
    const disk = contentOf(files, LEAF)
    if (journal !== undefined && journal.length > 512 && disk.toString('latin1', 0, 8) === 'v_poison')
      last = { disk, journal }
    else if (last !== undefined) return last
  }
}

function requireVhdError(error: unknown): void {
  if (!(error instanceof VhdError)) throw error
}

function util(files: MemoryFiles): ReturnType<typeof makeUtil> {
  return makeUtil({ files, boundary: SR })
}

function contentOf(files: MemoryFiles, name: string): Buffer {
  const node = files.nodes.get(name)
  if (node === undefined) throw new Error(`no ${name}`)
  return node.content()
}

/** Fails whoever asks for a buffer beyond the limit. */
function watchAllocations(limit: number): { end(): void } {
  const alloc = Buffer.alloc.bind(Buffer)
  const allocUnsafe = Buffer.allocUnsafe.bind(Buffer)
  const bounded = (size: number): number => {
    if (size > limit) throw new Error(`a buffer of ${size} bytes`)
    return size
  }
  Buffer.alloc = (size, ...rest) => alloc(bounded(size), ...rest)
  Buffer.allocUnsafe = size => allocUnsafe(bounded(size))
  return {
    end() {
      Object.assign(Buffer, { alloc, allocUnsafe })
    },
  }
}
