import * as fs from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { inspectVhd } from '../../../lib/vhd/inspect.ts'
import {
  BLOCK,
  countEffects,
  files,
  filesCutAt,
  filesFailingAt,
  makeUtil,
  MIB,
  readGuest,
  scratch,
  writeGuest,
} from './support.ts'

const KEY = 'ab'.repeat(32)
const util = makeUtil()

let directory: string

beforeEach(() => {
  directory = scratch()
})

function at(name: string): string {
  return path.join(directory, name)
}

describe('create', () => {
  it('rounds up to 2 MiB and replaces an existing file', async () => {
    fs.writeFileSync(at('d.vhd'), Buffer.alloc(100_000, 1))
    await util.create(at('d.vhd'), 11 * MIB)
    expect(await util.virtualSize(at('d.vhd'))).toBe(12 * MIB)
    expect(fs.statSync(at('d.vhd')).size).toBe(3584)
    await util.check(at('d.vhd'))
  })

  it('makes files that all may read and root may write', async () => {
    await util.create(at('d.vhd'), BLOCK)
    expect(fs.statSync(at('d.vhd')).mode & 0o133).toBe(0)
  })

  it('refuses sizes beyond the format', async () => {
    await expect(util.create(at('d.vhd'), 5 * 1024 ** 4)).rejects.toMatchObject({ code: 'EINVAL' })
    expect(fs.existsSync(at('d.vhd'))).toBe(false)
  })

  it('reports a missing directory', async () => {
    await expect(util.create(at('none/d.vhd'), BLOCK)).rejects.toMatchObject({ code: 'ENOENT', errno: 2 })
  })

  it('is durable: the last effect is an fsync', async () => {
    const seen: string[] = []
    await countEffects(counted => makeUtil({ files: counted }).create(at('a.vhd'), BLOCK), seen)
    expect(seen.at(-1)).toMatch(/^fsync .*a\.vhd$/)
  })

  it('leaves no file behind when a write fails', async () => {
    const total = await countEffects(counted => makeUtil({ files: counted }).create(at('a.vhd'), BLOCK))
    for (let effect = 2; effect <= total; effect++) {
      await expect(makeUtil({ files: filesFailingAt(effect) }).create(at('b.vhd'), BLOCK)).rejects.toMatchObject({
        code: 'ENOSPC',
        errno: 28,
      })
      expect(fs.existsSync(at('b.vhd'))).toBe(false)
    }
  })
})

describe('snapshot', () => {
  it('links to the given parent while that has data', async () => {
    await util.create(at('base.vhd'), 10 * MIB)
    await writeGuest(at('base.vhd'), 0, Buffer.from('data'))
    await util.snapshot(at('leaf.vhd'), at('base.vhd'))
    expect(await util.parent(at('leaf.vhd'))).toBe(at('base.vhd'))
    expect(await util.info(at('leaf.vhd'))).toEqual({ virtualSize: 10 * MIB, parent: at('base.vhd'), hidden: false })
    expect(await util.depth(at('leaf.vhd'))).toBe(2)
    expect(await util.hasParent(at('leaf.vhd'))).toBe(true)
    expect((await readGuest(at('leaf.vhd'))).toString('latin1', 0, 4)).toBe('data')
  })

  it('skips empty children up to the first image with data, unless told not to', async () => {
    await util.create(at('root.vhd'), BLOCK)
    await util.snapshot(at('empty.vhd'), at('root.vhd'))
    await util.snapshot(at('a.vhd'), at('empty.vhd'))
    await util.snapshot(at('b.vhd'), at('empty.vhd'), { exactParent: true })
    expect(await util.parent(at('a.vhd'))).toBe(at('root.vhd'))
    expect(await util.parent(at('b.vhd'))).toBe(at('empty.vhd'))
  })

  it('copies the key hash', async () => {
    await util.create(at('base.vhd'), BLOCK)
    await util.setKeyHash(at('base.vhd'), KEY)
    await util.snapshot(at('leaf.vhd'), at('base.vhd'))
    expect(await util.keyHash(at('leaf.vhd'))).toBe(KEY)
  })

  it('never overwrites its own parent, under whatever name', async () => {
    await util.create(at('base.vhd'), BLOCK)
    fs.linkSync(at('base.vhd'), at('same.vhd'))
    const before = fs.readFileSync(at('base.vhd'))
    await expect(util.snapshot(at('base.vhd'), at('base.vhd'))).rejects.toMatchObject({ code: 'EINVAL' })
    await expect(util.snapshot(at('same.vhd'), at('base.vhd'))).rejects.toMatchObject({ code: 'EINVAL' })
    expect(fs.readFileSync(at('base.vhd')).equals(before)).toBe(true)
  })

  it('reports a missing parent and leaves no child', async () => {
    await expect(util.snapshot(at('leaf.vhd'), at('none.vhd'))).rejects.toMatchObject({ code: 'ENOENT' })
    expect(fs.existsSync(at('leaf.vhd'))).toBe(false)
  })

  it('reports a parent that is no VHD and leaves no child', async () => {
    fs.writeFileSync(at('raw.vhd'), Buffer.alloc(8192))
    await expect(util.snapshot(at('leaf.vhd'), at('raw.vhd'))).rejects.toMatchObject({ code: 'EINVAL' })
    expect(fs.existsSync(at('leaf.vhd'))).toBe(false)
  })
})

describe('createChild', () => {
  it('makes a child that is whole once the parent has its future name', async () => {
    await util.create(at('S.vhd'), 10 * MIB)
    await util.setKeyHash(at('S.vhd'), KEY)
    await writeGuest(at('S.vhd'), 4096, Buffer.from('content'))
    await util.createChild(at('S.vhd.revert'), { parentFile: at('S.vhd'), linkName: 'B.vhd' })
    await expect(util.parent(at('S.vhd.revert'))).rejects.toMatchObject({ code: 'ENOENT' })
    fs.renameSync(at('S.vhd'), at('B.vhd'))
    fs.renameSync(at('S.vhd.revert'), at('S.vhd'))
    await util.check(at('S.vhd'))
    expect(await inspectVhd(files, at('S.vhd'))).toMatchObject({ parentName: 'B.vhd', allocatedBlocks: 0 })
    expect((await readGuest(at('S.vhd'))).toString('latin1', 4096, 4103)).toBe('content')
    expect(await util.keyHash(at('S.vhd'))).toBe(KEY)
  })

  it.each(['../B.vhd', 'sub/B.vhd', '/B.vhd', '..', ''])('refuses the name %j', async linkName => {
    await util.create(at('S.vhd'), BLOCK)
    const made = util.createChild(at('T.vhd'), { parentFile: at('S.vhd'), linkName })
    await expect(made).rejects.toMatchObject({ code: 'EINVAL' })
    expect(fs.existsSync(at('T.vhd'))).toBe(false)
  })
})

describe('hidden', () => {
  it('is seen by a full open and by a scan, and can be taken back', async () => {
    await util.create(at('d.vhd'), BLOCK)
    await writeGuest(at('d.vhd'), 0, Buffer.from('x'))
    const before = fs.readFileSync(at('d.vhd'))
    await util.setHidden(at('d.vhd'), true)
    expect(await util.hidden(at('d.vhd'))).toBe(true)
    expect((await util.info(at('d.vhd'))).hidden).toBe(true)
    expect(await util.scan(directory)).toMatchObject([{ name: 'd.vhd', hidden: true }])
    await util.setHidden(at('d.vhd'), false)
    expect(fs.readFileSync(at('d.vhd')).equals(before)).toBe(true)
  })

  it('leaves a disk that opens wherever it is cut, and repeating it completes it', async () => {
    await util.create(at('d.vhd'), BLOCK)
    const total = await countEffects(async counted => {
      fs.copyFileSync(at('d.vhd'), at('e.vhd'))
      await makeUtil({ files: counted }).setHidden(at('e.vhd'), true)
    })
    for (let effect = 1; effect <= total; effect++) {
      fs.copyFileSync(at('d.vhd'), at('e.vhd'))
      const cut = makeUtil({ files: filesCutAt(effect) }).setHidden(at('e.vhd'), true)
      await expect(cut).rejects.toMatchObject({ code: 'EIO' })
      await inspectVhd(files, at('e.vhd'))
      await util.setHidden(at('e.vhd'), true)
      await util.check(at('e.vhd'))
    }
  })

  it('is set in the copy alone when the file system is full', async () => {
    await util.create(at('d.vhd'), BLOCK)
    await makeUtil({ files: filesFailingAt(1) }).setHidden(at('d.vhd'), true)
    expect((await util.info(at('d.vhd'))).hidden).toBe(true)
    await expect(makeUtil({ files: filesFailingAt(1) }).setHidden(at('d.vhd'), false)).rejects.toMatchObject({
      code: 'ENOSPC',
    })
  })
})

describe('setParent', () => {
  it('changes nothing when the new name does not fit', async () => {
    await util.create(at('base.vhd'), BLOCK)
    await util.snapshot(at('leaf.vhd'), at('base.vhd'))
    const deep = at('d'.repeat(200))
    fs.mkdirSync(deep)
    await util.create(path.join(deep, 'p'.repeat(200)), BLOCK)
    const before = fs.readFileSync(at('leaf.vhd'))
    const change = util.setParent(at('leaf.vhd'), path.join(deep, 'p'.repeat(200)))
    await expect(change).rejects.toMatchObject({ code: 'ENAMETOOLONG' })
    expect(fs.readFileSync(at('leaf.vhd')).equals(before)).toBe(true)
  })

  it('leaves nothing of a longer old name', async () => {
    await util.create(at('a-long-name.vhd'), BLOCK)
    await util.create(at('b.vhd'), BLOCK)
    await util.snapshot(at('leaf.vhd'), at('a-long-name.vhd'))
    await util.setParent(at('leaf.vhd'), at('b.vhd'))
    await util.check(at('leaf.vhd'))
    expect(await inspectVhd(files, at('leaf.vhd'))).toMatchObject({ parentName: 'b.vhd' })
    expect(fs.readFileSync(at('leaf.vhd')).includes('long-name')).toBe(false)
  })

  it('refuses a disk that has no parent', async () => {
    await util.create(at('a.vhd'), BLOCK)
    await util.create(at('b.vhd'), BLOCK)
    await expect(util.setParent(at('a.vhd'), at('b.vhd'))).rejects.toMatchObject({ code: 'EINVAL' })
  })
})

describe('repair and killData', () => {
  it('repair restores a lost end footer', async () => {
    await util.create(at('d.vhd'), BLOCK)
    await writeGuest(at('d.vhd'), 0, Buffer.from('x'))
    const before = fs.readFileSync(at('d.vhd'))
    fs.truncateSync(at('d.vhd'), before.length - 512)
    await expect(util.check(at('d.vhd'))).rejects.toMatchObject({ code: 'EINVAL' })
    await util.check(at('d.vhd'), { allowMissingEndFooter: true })
    await util.repair(at('d.vhd'))
    expect(fs.readFileSync(at('d.vhd')).equals(before)).toBe(true)
  })

  it('killData gives back the room and reads as the parent', async () => {
    await util.create(at('base.vhd'), BLOCK)
    await writeGuest(at('base.vhd'), 0, Buffer.alloc(512, 1))
    await util.snapshot(at('leaf.vhd'), at('base.vhd'))
    const empty = fs.statSync(at('leaf.vhd')).size
    await writeGuest(at('leaf.vhd'), 0, Buffer.alloc(BLOCK, 2))
    expect(await util.allocatedBlocks(at('leaf.vhd'))).toBe(1)
    await util.killData(at('leaf.vhd'))
    expect(await util.allocatedBlocks(at('leaf.vhd'))).toBe(0)
    expect(fs.statSync(at('leaf.vhd')).size).toBe(empty)
    expect((await readGuest(at('leaf.vhd'))).equals(await readGuest(at('base.vhd')))).toBe(true)
  })
})

describe('keys', () => {
  it('cannot be set on a disk that holds data', async () => {
    await util.create(at('d.vhd'), BLOCK)
    await writeGuest(at('d.vhd'), 0, Buffer.from('x'))
    await expect(util.setKeyHash(at('d.vhd'), KEY)).rejects.toMatchObject({ code: 'EINVAL' })
  })

  it.each(['', 'ab', 'zz'.repeat(32)])('are refused in the form %j', async hash => {
    await util.create(at('d.vhd'), BLOCK)
    await expect(util.setKeyHash(at('d.vhd'), hash)).rejects.toMatchObject({ code: 'EINVAL' })
    expect(await util.keyHash(at('d.vhd'))).toBeUndefined()
  })
})

describe('scan', () => {
  it('tells every *.vhd, sorted, broken ones with their error', async () => {
    await util.create(at('b.vhd'), BLOCK)
    await util.setKeyHash(at('b.vhd'), KEY)
    await util.snapshot(at('c.vhd'), at('b.vhd'))
    fs.writeFileSync(at('a.vhd'), '')
    for (const name of ['.hidden.vhd', 'd.VHD', 'e.vhd.new', 'f.raw']) fs.copyFileSync(at('b.vhd'), at(name))
    const rows = await util.scan(directory)
    expect(rows.map(({ name }) => name)).toEqual(['a.vhd', 'b.vhd', 'c.vhd'])
    expect(rows[0]).toMatchObject({ error: { code: 'EPIPE' } })
    expect(rows.slice(1)).toEqual([
      {
        ...{ name: 'b.vhd', virtualSize: BLOCK, physicalSize: 3584, hidden: false },
        ...{ parentName: undefined, keyHash: KEY },
      },
      {
        ...{ name: 'c.vhd', virtualSize: BLOCK, physicalSize: 5120, hidden: false },
        ...{ parentName: 'b.vhd', keyHash: KEY },
      },
    ])
  })

  it('finds nothing in an empty directory and fails for a missing one', async () => {
    expect(await util.scan(directory)).toEqual([])
    await expect(util.scan(at('none'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('keeps its order with more files than are read at a time', async () => {
    const names = Array.from({ length: 50 }, (_, index) => `${String(index).padStart(3, '0')}.vhd`)
    await util.create(at('base.vhd'), BLOCK)
    for (const name of names) fs.copyFileSync(at('base.vhd'), at(name))
    expect((await util.scan(directory)).map(({ name }) => name)).toEqual([...names, 'base.vhd'])
  })
})
