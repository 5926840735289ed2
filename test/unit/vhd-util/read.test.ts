import * as fs from 'node:fs'
import path from 'node:path'
import { checksumStruct, fuHeader } from 'vhd-lib/_structs.js'
import { beforeEach, describe, expect, it } from 'vitest'
import { makeUtil, MIB, readGuest, scratch, writeGuest } from '../vhd/support.ts'
import { vhdUtil } from './run.ts'

let leaf: string

/** Block 1 of the leaf is full, sectors 3 and 4 of block 3 are present; the parent fills what the leaf lacks. */
beforeEach(async () => {
  const directory = scratch()
  const base = path.join(directory, 'base.vhd')
  leaf = path.join(directory, 'leaf.vhd')
  const util = makeUtil()
  await util.create(base, 10 * MIB)
  await writeGuest(base, 0, Buffer.alloc(10 * MIB, 1))
  await util.snapshot(leaf, base)
  await writeGuest(leaf, 2 * MIB, Buffer.alloc(2 * MIB, 2))
  await writeGuest(leaf, 6 * MIB + 3 * 512, Buffer.alloc(1024, 3))
})

async function read(...options: string[]): Promise<string> {
  const { exitCode, stdout } = await vhdUtil(['read', '-n', leaf, ...options])
  expect(exitCode).toBe(0)
  return stdout
}

async function readBytes(...options: string[]): Promise<Buffer> {
  const { exitCode, bytes } = await vhdUtil(['read', '-n', leaf, ...options])
  expect(exitCode).toBe(0)
  return bytes
}

describe('read', () => {
  it('tells where blocks and sectors are', async () => {
    expect(await read('-b', '0', '-c', '2')).toBe('block: 0: offset: not allocated\nblock: 1: offset: 7680\n')
    expect(await read('-t', '4097')).toBe('logical sector 4097: block number: 1, sector offset: 1, file offset: 8704\n')
    expect(await read('-t', '0')).toBe(
      'logical sector 0: block number: 0, sector offset: 0, file offset: not allocated\n',
    )
    expect(await read('-x', '-b', '1')).toBe('block: 0x1: offset: 0x1e00\n')
  })

  it('tells which sectors are present here', async () => {
    const third = 3 * 4096
    expect(await read('-i', String(third + 2), '-c', '3')).toBe(
      'block 3: sec: 2: 0\nblock 3: sec: 3: 1\nblock 3: sec: 4: 1\n',
    )
    expect(await read('-i', '0')).toBe('block 0: sec: 0: 0\n')
    expect(await read('-e', '0', '-c', '20480')).toBe(`4096 4096\n${third + 3} 2\n`)
    expect(await read('-e', '5000', '-c', '10')).toBe('5000 10\n')
  })

  it('prints bitmaps, batmap and blocks as they are', async () => {
    expect(await readBytes('-m', '3')).toEqual(Buffer.concat([Buffer.from([0x18])], 512))
    expect(await read('-m', '0')).toBe('block 0 not allocated\n')
    expect(await readBytes('-a')).toEqual(Buffer.concat([Buffer.from([0x40])], 512))
    expect((await readBytes('-d', '1')).equals(Buffer.alloc(2 * MIB, 2))).toBe(true)
    expect(await vhdUtil(['read', '-n', leaf, '-j', '1', '-c', '2'])).toMatchObject({
      exitCode: 0,
      stdout: '',
      stderr: 'batmap for block 1: 1\nbatmap for block 2: 0\n',
    })
  })

  it("prints the guest's view through the chain", async () => {
    const guest = await readGuest(leaf)
    expect((await readBytes('-r', '0', '-c', '20480')).equals(guest)).toBe(true)
    const from = 6 * MIB + 3 * 512 - 7
    expect((await readBytes('-R', String(from), '-c', '100')).equals(guest.subarray(from, from + 100))).toBe(true)
  })

  it.each([
    ['-b', '5'],
    ['-t', '20480'],
    ['-i', '20480'],
    ['-m', '5'],
    ['-r', '20480'],
    ['-R', '10485760'],
    ['-j', '5'],
    ['-d', '9'],
    ['-e', '20480'],
  ])('fails with ERANGE for %s %s', async (option, value) => {
    expect((await vhdUtil(['read', '-n', leaf, option, value])).exitCode).toBe(34)
  })
})

describe('a parent', () => {
  it('with an absolute name is looked for there, then below the directory of the child', async () => {
    const directory = path.dirname(leaf)
    const name = '/q/b.vhd'
    const bytes = fs.readFileSync(leaf)
    const header = bytes.subarray(512, 1536)
    const text = Buffer.from(`file://${name}`)
    text.copy(bytes, Number(header.readBigUInt64BE(576 + 16)))
    header.writeUInt32BE(text.length, 576 + 8)
    checksumStruct(header, fuHeader)
    fs.writeFileSync(leaf, bytes)
    fs.mkdirSync(path.join(directory, 'q'))
    fs.renameSync(path.join(directory, 'base.vhd'), path.join(directory, name))
    expect(await vhdUtil(['query', '-p', '-n', leaf])).toMatchObject({ exitCode: 0, stdout: `${directory}${name}\n` })
    expect((await vhdUtil(['query', '-pu', '-n', leaf])).stdout).toBe(`${name}\n`)
  })
})

describe('a file that ends within its tables', () => {
  it('is still told about, as far as it goes', async () => {
    fs.truncateSync(leaf, 1600)
    const { exitCode, stdout } = await vhdUtil(['query', '-vsapfS', '-n', leaf])
    expect(exitCode).toBe(5)
    expect(stdout).toBe('10\nfailed to get physical size: -5\nquery failed\nhidden: 0\nerror reading bat: -5\n10\n')
    const name = path.basename(leaf)
    const scan = await vhdUtil(['scan', '-f', '-m', `${path.dirname(leaf)}/l*.vhd`])
    expect(scan.stdout).toBe(`vhd=${name} capacity=10485760 size=1600 hidden=0 parent=base.vhd\n`)
    expect((await vhdUtil(['read', '-p', '-n', leaf])).stdout).toBe(`Failed to get bat for ${leaf}: -5\n`)
    expect((await vhdUtil(['repair', '-n', leaf])).exitCode).toBe(22)
  })
})
