import * as fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { inspectVhd } from '../../../lib/vhd/inspect.ts'
import { BLOCK, countEffects, files, filesCutAt, makeUtil, MIB, readGuest, scratch, writeGuest } from './support.ts'

const util = makeUtil()
const BIG = 600 * MIB

/** A child whose data lies where the tables have to grow. */
async function makeChild(): Promise<{ directory: string; disk: string; journal: string; content: Buffer }> {
  const directory = scratch()
  const disk = path.join(directory, 'leaf.vhd')
  await util.create(path.join(directory, 'base.vhd'), 3 * BLOCK)
  await writeGuest(path.join(directory, 'base.vhd'), 0, Buffer.alloc(4096, 1))
  await util.snapshot(disk, path.join(directory, 'base.vhd'))
  await writeGuest(disk, 2048, Buffer.alloc(8192, 2))
  await writeGuest(disk, 2 * BLOCK, Buffer.alloc(BLOCK, 3))
  return { directory, disk, journal: path.join(directory, '.journal-leaf'), content: await readGuest(disk) }
}

async function contentUpTo(file: string, length: number): Promise<Buffer> {
  return (await readGuest(file)).subarray(0, length)
}

describe('resize', () => {
  it('keeps the content and reads zeroes behind it', async () => {
    const { disk, journal, content } = await makeChild()
    await util.resize(disk, BIG, journal)
    const grown = await readGuest(disk)
    expect(grown.length).toBe(BIG)
    expect(grown.subarray(0, content.length).equals(content)).toBe(true)
    expect(grown.subarray(content.length).equals(Buffer.alloc(BIG - content.length))).toBe(true)
    await util.check(disk)
    expect(fs.existsSync(journal)).toBe(false)
  })

  it('grows a preallocated disk to exactly the size asked for, without a journal', async () => {
    const disk = path.join(scratch(), 'd.vhd')
    await util.create(disk, 10 * MIB, { maxSize: 100 * MIB })
    await util.resize(disk, 20 * MIB, '/nonexistent/journal')
    expect(await inspectVhd(files, disk)).toMatchObject({ virtualSize: 20 * MIB, maxBatEntries: 50 })
  })

  it('grows a preallocated disk past its room to exactly the size asked for', async () => {
    const directory = scratch()
    const disk = path.join(directory, 'd.vhd')
    await util.create(disk, 10 * MIB, { maxSize: 100 * MIB })
    await writeGuest(disk, 0, Buffer.alloc(512, 7))
    await util.resize(disk, 120 * MIB, path.join(directory, 'j'))
    expect(await inspectVhd(files, disk)).toMatchObject({ virtualSize: 120 * MIB, maxBatEntries: 60 })
    expect((await readGuest(disk)).subarray(0, 512)).toEqual(Buffer.alloc(512, 7))
    await util.check(disk)
  })

  it.each([
    [10 * MIB, {}, 10 * MIB],
    [10 * MIB, { maxSize: 100 * MIB }, 100 * MIB],
    [4 * MIB, { maxSize: 2 * 1024 * 1024 * MIB }, 2 * 1024 * 1024 * MIB],
  ])(
    'knows up to where the tables of a disk of %d bytes have room, and goes no further without a journal',
    async (size, options, limit) => {
      const disk = path.join(scratch(), 'd.vhd')
      await util.create(disk, size, options)
      expect(await util.sizeLimit(disk)).toBe(limit)
      if (limit < BIG) {
        const before = fs.readFileSync(disk)
        await expect(util.resize(disk, limit + BLOCK)).rejects.toMatchObject({ code: 'EINVAL' })
        expect(fs.readFileSync(disk).equals(before)).toBe(true)
      }
      const grown = Math.min(limit, 64 * MIB)
      await util.resize(disk, grown)
      expect(await inspectVhd(files, disk)).toMatchObject({ virtualSize: grown })
      await util.check(disk)
    },
  )

  it('changes no byte for the size the disk has', async () => {
    const { disk, journal } = await makeChild()
    const before = fs.readFileSync(disk)
    await util.resize(disk, 3 * BLOCK, journal)
    expect(fs.readFileSync(disk).equals(before)).toBe(true)
  })

  it('refuses to shrink and leaves the disk alone', async () => {
    const { disk, journal } = await makeChild()
    const before = fs.readFileSync(disk)
    await expect(util.resize(disk, BLOCK, journal)).rejects.toMatchObject({ code: 'ENOSYS', errno: 38 })
    expect(fs.readFileSync(disk).equals(before)).toBe(true)
  })

  it('refuses an existing journal and leaves disk and journal alone', async () => {
    const { disk, journal } = await makeChild()
    const before = fs.readFileSync(disk)
    fs.writeFileSync(journal, 'precious')
    await expect(util.resize(disk, BIG, journal)).rejects.toMatchObject({ code: 'EEXIST' })
    expect(fs.readFileSync(journal, 'utf8')).toBe('precious')
    expect(fs.readFileSync(disk).equals(before)).toBe(true)
  })

  it('refuses a disk whose unused table entries are not empty', async () => {
    const disk = path.join(scratch(), 'd.vhd')
    await util.create(disk, 10 * MIB, { maxSize: 100 * MIB })
    const handle = fs.openSync(disk, 'r+')
    fs.writeSync(handle, Buffer.alloc(4), 0, 4, 1536 + 6 * 4)
    fs.closeSync(handle)
    await expect(util.resize(disk, 20 * MIB, '/nonexistent/journal')).rejects.toMatchObject({ code: 'EINVAL' })
  })
})

describe('the order of writes of a resize', () => {
  it('makes the journal durable before the disk changes, and the disk before the journal is committed', async () => {
    const { disk, journal, directory } = await makeChild()
    const seen: string[] = []
    await countEffects(counted => makeUtil({ files: counted }).resize(disk, BIG, journal), seen)
    const firstDiskWrite = seen.findIndex(detail => detail.startsWith(`write ${disk}`))
    expect(seen.slice(0, firstDiskWrite).slice(-2)).toEqual([`fsync ${journal}`, `fsync ${directory}`])
    const commit = seen.findIndex(detail => detail.startsWith(`truncate ${journal}`))
    expect(seen.slice(commit - 2, commit + 2)).toEqual([
      ...[`fsync ${disk}`, `write ${journal} 0+512`, `truncate ${journal} 512`, `fsync ${journal}`],
    ])
    expect(seen.slice(-2)).toEqual([`fsync ${disk}`, `unlink ${journal}`])
  })
})

describe('a resize interrupted at any point', () => {
  it('can be undone or is complete, with the content whole', async () => {
    const made = await makeChild()
    const total = await countEffects(async counted => {
      const copy = copyOf(made.directory)
      await makeUtil({ files: counted }).resize(copy.disk, BIG, copy.journal)
    })
    expect(total).toBeGreaterThan(20)
    for (let effect = 1; effect <= total; effect++) {
      const { disk, journal } = copyOf(made.directory)
      const cut = makeUtil({ files: filesCutAt(effect) }).resize(disk, BIG, journal)
      await expect(cut, `effect ${effect}`).rejects.toMatchObject({ code: 'EIO' })
      if (fs.existsSync(journal)) await util.revertResize(disk, journal)
      expect(fs.existsSync(journal)).toBe(false)
      await util.check(disk)
      expect([made.content.length, BIG]).toContain(await util.virtualSize(disk))
      expect((await contentUpTo(disk, made.content.length)).equals(made.content), `effect ${effect}`).toBe(true)
    }
  })

  it('can be undone even when undoing is interrupted', async () => {
    const made = await makeChild()
    const interrupted = await interruptedLate(made.directory)
    const undoEffects = await countEffects(async counted => {
      const copy = copyOf(interrupted.directory)
      await makeUtil({ files: counted }).revertResize(copy.disk, copy.journal)
    })
    expect(undoEffects).toBeGreaterThan(10)
    for (let effect = 1; effect <= undoEffects; effect++) {
      const { disk, journal } = copyOf(interrupted.directory)
      await expect(makeUtil({ files: filesCutAt(effect) }).revertResize(disk, journal)).rejects.toThrow('no power')
      await util.revertResize(disk, journal)
      await util.check(disk)
      expect((await readGuest(disk)).equals(made.content), `effect ${effect}`).toBe(true)
    }
  })
})

describe('revertResize', () => {
  it('refuses the journal of another disk and changes nothing', async () => {
    const made = await makeChild()
    const other = path.join(made.directory, 'other.vhd')
    await util.create(other, 3 * BLOCK)
    const before = fs.readFileSync(other)
    const cut = makeUtil({ files: filesCutAt(25) }).resize(made.disk, BIG, made.journal)
    await expect(cut).rejects.toMatchObject({ code: 'EIO' })
    await expect(util.revertResize(other, made.journal)).rejects.toMatchObject({ code: 'EINVAL' })
    expect(fs.readFileSync(other).equals(before)).toBe(true)
    expect(fs.existsSync(made.journal)).toBe(true)
  })

  it('refuses a file that is no journal and keeps it', async () => {
    const { disk, journal } = await makeChild()
    fs.writeFileSync(journal, Buffer.alloc(4096, 1))
    await expect(util.revertResize(disk, journal)).rejects.toMatchObject({ code: 'EINVAL' })
    expect(fs.existsSync(journal)).toBe(true)
  })

  it('reports a missing journal', async () => {
    const { disk, journal } = await makeChild()
    await expect(util.revertResize(disk, journal)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('writes nothing when a block in the journal is damaged', async () => {
    const { disk, journal } = await interruptedLate((await makeChild()).directory)
    const bytes = fs.readFileSync(journal)
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 9) ^ 1, bytes.length - 9)
    fs.writeFileSync(journal, bytes)
    const before = fs.readFileSync(disk)
    await expect(util.revertResize(disk, journal)).rejects.toMatchObject({ code: 'EINVAL' })
    expect(fs.readFileSync(disk).equals(before)).toBe(true)
  })
})

/** A copy of the disk whose growth was cut off between moving the metadata and the commit. */
async function interruptedLate(directory: string): Promise<ReturnType<typeof copyOf>> {
  const total = await countEffects(async counted => {
    const copy = copyOf(directory)
    await makeUtil({ files: counted }).resize(copy.disk, BIG, copy.journal)
  })
  const copy = copyOf(directory)
  const cut = makeUtil({ files: filesCutAt(total - 8) }).resize(copy.disk, BIG, copy.journal)
  await expect(cut).rejects.toMatchObject({ code: 'EIO' })
  return copy
}

function copyOf(directory: string): { directory: string; disk: string; journal: string } {
  const copy = scratch()
  fs.cpSync(directory, copy, { recursive: true })
  return { directory: copy, disk: path.join(copy, 'leaf.vhd'), journal: path.join(copy, '.journal-leaf') }
}
