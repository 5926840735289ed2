import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { checksumStruct, fuFooter, fuHeader } from 'vhd-lib/_structs.js'
import { beforeEach, describe, expect, it } from 'vitest'
import { inspectVhd } from '../../../lib/vhd/inspect.ts'
import { encodeLocatorText } from '../../../lib/vhd/locator.ts'
import { makeFooter } from '../../../lib/vhd/footer.ts'
import { VhdChain } from '../../../lib/vhd/VhdChain.ts'
import { VhdError } from '../../../lib/vhd/VhdUtil.ts'
import { BLOCK, files, makeUtil, scratch, writeGuest } from './support.ts'

const HEADER = { offset: 512, size: 1024 }
const W2 = { ku: 0x57326b75, ru: 0x57327275 }
const MACX = 0x4d616358

let outside: string
let boundary: string
let leaf: string
let util: ReturnType<typeof makeUtil>

beforeEach(async () => {
  outside = scratch()
  boundary = path.join(outside, 'sr')
  fs.mkdirSync(boundary)
  util = makeUtil({ boundary })
  leaf = path.join(boundary, 'leaf.vhd')
  await util.create(path.join(boundary, 'base.vhd'), BLOCK)
  await util.snapshot(leaf, path.join(boundary, 'base.vhd'), { exactParent: true })
})

async function makeSecret(): Promise<string> {
  const secret = path.join(outside, 'secret.vhd')
  await makeUtil().create(secret, BLOCK)
  await writeGuest(secret, 0, Buffer.from('another tenant'))
  return secret
}

describe('a parent outside the boundary', () => {
  const locators: readonly [string, string][] = [
    ['an absolute path', '@OUTSIDE@/secret.vhd'],
    ['a path upward', '../secret.vhd'],
    ['a path upward through a folder that does not exist', './nowhere/../../secret.vhd'],
    ['a symbolic link', './link.vhd'],
    ['a symbolic link of a directory', './directory/secret.vhd'],
    ['a device', '/dev/zero'],
  ]

  it.each(locators)('is never opened through %s', async (_, text) => {
    await makeSecret()
    fs.symlinkSync(path.join(outside, 'secret.vhd'), path.join(boundary, 'link.vhd'))
    fs.symlinkSync(outside, path.join(boundary, 'directory'))
    pointTo(leaf, text.replace('@OUTSIDE@', outside))
    for (const attempt of attempts()) await expect(attempt()).rejects.toMatchObject({ code: 'EACCES', errno: 13 })
    await expect(util.check(leaf)).rejects.toBeInstanceOf(VhdError)
  })

  it('is refused when it is named for a snapshot or as a new parent', async () => {
    const secret = await makeSecret()
    await expect(util.snapshot(path.join(boundary, 'x.vhd'), secret)).rejects.toMatchObject({ code: 'EACCES' })
    await expect(util.setParent(leaf, secret)).rejects.toMatchObject({ code: 'EACCES' })
    expect(fs.existsSync(path.join(boundary, 'x.vhd'))).toBe(false)
  })

  it('that does not exist looks the same as one that does', async () => {
    pointTo(leaf, '../absent.vhd')
    await expect(util.parent(leaf)).rejects.toMatchObject({ code: 'EACCES' })
  })
})

function attempts(): (() => Promise<unknown>)[] {
  return [
    () => util.parent(leaf),
    () => util.info(leaf),
    () => util.depth(leaf),
    () => util.snapshot(path.join(boundary, 'new.vhd'), leaf),
    () => VhdChain.open(files, leaf, { boundary }),
  ]
}

describe('a chain that does not end', () => {
  it('is refused when an image is its own parent', async () => {
    pointTo(leaf, './leaf.vhd')
    await expect(util.depth(leaf)).rejects.toMatchObject({ code: 'ELOOP' })
    await expect(util.snapshot(path.join(boundary, 'n.vhd'), leaf)).rejects.toMatchObject({ code: 'ELOOP' })
    await expect(VhdChain.open(files, leaf, { boundary })).rejects.toBeInstanceOf(VhdError)
  })

  it('is refused when two images are each other’s parent', async () => {
    const other = path.join(boundary, 'other.vhd')
    await util.snapshot(other, leaf, { exactParent: true })
    pointTo(leaf, './other.vhd')
    await expect(util.depth(other)).rejects.toMatchObject({ code: 'ELOOP' })
    await expect(VhdChain.open(files, other, { boundary })).rejects.toBeInstanceOf(VhdError)
  })

  it('is refused when it is longer than any real one', async () => {
    let parent = leaf
    for (let level = 0; level < 64; level++) {
      const child = path.join(boundary, `level-${level}.vhd`)
      await util.snapshot(child, parent, { exactParent: true })
      parent = child
    }
    await expect(util.depth(parent)).rejects.toMatchObject({ code: 'ELOOP' })
    await expect(VhdChain.open(files, parent, { boundary })).rejects.toMatchObject({ code: 'ELOOP' })
  })
})

describe('sizes and counts from a header', () => {
  it.each([
    ['a table of 4 billion entries', 28, 0xffff_ffff],
    ['a table that is larger than the file', 28, 0x0010_0000],
    ['a table shorter than the disk', 28, 0],
    ['a block size of zero', 32, 0],
    ['a block size that is no power of two', 32, 0x0018_0000],
    ['a block size of 2 GiB', 32, 0x8000_0000],
    ['a table beyond the end of the file', 20, 0x7fff_fe00],
    ['a table over the footer', 20, 0],
    ['an unknown locator platform', 576, 0x4142_4344],
  ])('are refused: %s', async (_, offset, value) => {
    patchHeader(leaf, header => header.writeUInt32BE(value, offset))
    await expect(inspectVhd(files, leaf)).rejects.toMatchObject({ code: 'EINVAL' })
    await expect(util.snapshot(path.join(boundary, 'new.vhd'), leaf)).rejects.toBeInstanceOf(VhdError)
  })

  it('lead nowhere: a locator of 4 GiB', async () => {
    patchHeader(leaf, header => {
      for (const slot of [0, 1, 2]) header.writeUInt32BE(0xffff_fe00, 576 + slot * 24 + 4)
      for (const slot of [0, 1, 2]) header.writeUInt32BE(0xffff_fe00, 576 + slot * 24 + 8)
    })
    await expect(util.parent(leaf)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('are refused: a virtual size of 2^63 bytes', async () => {
    const bytes = fs.readFileSync(leaf)
    bytes.writeBigUInt64BE(2n ** 63n, 48)
    checksumStruct(bytes.subarray(0, 512), fuFooter)
    bytes.copy(bytes, bytes.length - 512, 0, 512)
    fs.writeFileSync(leaf, bytes)
    await expect(inspectVhd(files, leaf)).rejects.toMatchObject({ code: 'EINVAL' })
    expect(await util.scan(boundary)).toContainEqual({ name: 'leaf.vhd', error: expect.any(VhdError) as VhdError })
  })
})

describe('any damage to the metadata', () => {
  it('ends in an answer or a VhdError, never in anything else', async () => {
    const original = fs.readFileSync(leaf)
    const damage = fc.record({ at: fc.nat(original.length - 1), value: fc.nat(255), sealed: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 8 }), async damages => {
        const bytes = Buffer.from(original)
        for (const { at, value } of damages) bytes.writeUInt8(value, at)
        if (damages.some(({ sealed }) => sealed)) {
          checksumStruct(bytes.subarray(0, 512), fuFooter)
          checksumStruct(bytes.subarray(512, 1536), fuHeader)
          checksumStruct(bytes.subarray(bytes.length - 512), fuFooter)
        }
        fs.writeFileSync(leaf, bytes)
        for (const attempt of attempts()) await attempt().then(closeIfChain, requireVhdError)
        await util.check(leaf).catch(requireVhdError)
        await util.setHidden(leaf, true).catch(requireVhdError)
        expect((await util.scan(boundary)).length).toBeGreaterThanOrEqual(2)
        fs.rmSync(path.join(boundary, 'new.vhd'), { force: true })
      }),
      { numRuns: 150 },
    )
  })
})

describe('what a guest writes into its last sector', () => {
  it('is not taken for the footer when a crash took the real one', async () => {
    await makeSecret()
    const disk = path.join(boundary, 'disk.vhd')
    await util.create(disk, BLOCK)
    const { raw } = makeFooter({ type: 4, size: BLOCK, uuid: '99999999-9999-4999-8999-999999999999', timestamp: 1 })
    await writeGuest(disk, BLOCK - 512, raw)
    fs.truncateSync(disk, fs.statSync(disk).size - 512)
    const real = await inspectVhd(files, disk, { backupFooter: true })
    expect(await inspectVhd(files, disk)).toMatchObject({ uuid: real.uuid, type: 'dynamic', footer: 'copy' })
  })
})

describe('what is no file', () => {
  it('is refused without waiting: a pipe named like a disk', async () => {
    execFileSync('mkfifo', [path.join(boundary, 'pipe.vhd')])
    await expect(inspectVhd(files, path.join(boundary, 'pipe.vhd'))).rejects.toMatchObject({ code: 'EINVAL' })
    expect(await util.scan(boundary)).toContainEqual({ name: 'pipe.vhd', error: expect.any(VhdError) as VhdError })
  })

  it('is refused: a directory named like a disk', async () => {
    fs.mkdirSync(path.join(boundary, 'dir.vhd'))
    await expect(util.info(path.join(boundary, 'dir.vhd'))).rejects.toMatchObject({ code: 'EISDIR' })
  })
})

async function closeIfChain(result: unknown): Promise<void> {
  if (result instanceof VhdChain) await result.close()
}

function requireVhdError(error: unknown): void {
  expect(error).toBeInstanceOf(VhdError)
}

function pointTo(disk: string, text: string): void {
  const bytes = fs.readFileSync(disk)
  for (const [slot, code] of [MACX, W2.ku, W2.ru].entries()) {
    const locator = code === MACX ? Buffer.from(`file://${text}`) : encodeLocatorText(code, text)
    const entry = HEADER.offset + 576 + slot * 24
    bytes.writeUInt32BE(locator.length, entry + 8)
    locator.copy(bytes, Number(bytes.readBigUInt64BE(entry + 16)))
  }
  checksumStruct(bytes.subarray(512, 1536), fuHeader)
  fs.writeFileSync(disk, bytes)
}

function patchHeader(disk: string, change: (header: Buffer) => unknown): void {
  const bytes = fs.readFileSync(disk)
  const header = bytes.subarray(HEADER.offset, HEADER.offset + HEADER.size)
  change(header)
  checksumStruct(header, fuHeader)
  fs.writeFileSync(disk, bytes)
}
