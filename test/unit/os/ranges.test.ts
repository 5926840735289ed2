import * as fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Effects } from '../../../lib/os/effects.ts'
import { Files } from '../../../lib/os/files.ts'
import type { OpenFile } from '../../../lib/os/OpenFile.ts'

const MIB = 1024 * 1024
const seen: string[] = []
const files = new Files(new Effects('', (_, __, detail) => seen.push(detail)))
let directory: string
let file: OpenFile

beforeEach(async () => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'ranges-'))
  file = await files.create(path.join(directory, 'file'))
  seen.length = 0
})

afterEach(async () => {
  await file.close()
  fs.rmSync(directory, { recursive: true })
})

describe('copying a range between files', () => {
  it('puts the bytes in their place and is announced', async () => {
    const name = path.join(directory, 'source')
    fs.writeFileSync(name, Buffer.concat([Buffer.alloc(MIB, 1), Buffer.alloc(MIB, 2)]))
    await files.using(files.openRead(name), async source => {
      expect(await file.copyFrom(source, { from: MIB - 4096, to: 8192, length: 8192 })).toBe(true)
    })
    expect(fs.readFileSync(file.path)).toEqual(
      Buffer.concat([Buffer.alloc(8192), Buffer.alloc(4096, 1), Buffer.alloc(4096, 2)]),
    )
    expect(seen).toEqual([`copy ${name} ${file.path} 8192+8192`])
  })

  it('says so where the source ends before', async () => {
    const name = path.join(directory, 'source')
    fs.writeFileSync(name, Buffer.alloc(4096, 1))
    await files.using(files.openRead(name), async source => {
      expect(await file.copyFrom(source, { from: 0, to: 0, length: 8192 })).toBe(false)
    })
  })

  it('says so where the system cannot, as from a file of the kernel’s own', async () => {
    await files.using(files.openRead('/proc/self/status'), async source => {
      expect(await file.copyFrom(source, { from: 0, to: 0, length: 4096 })).toBe(false)
    })
  })

  it('throws what is no matter of ways: a target that is open for reading only', async () => {
    await files.using(files.openRead(file.path), async readOnly => {
      await expect(readOnly.copyFrom(file, { from: 0, to: 0, length: 4096 })).rejects.toMatchObject({ code: 'EBADF' })
    })
  })
})

describe('holes', () => {
  it('read as zeroes, leave the size alone and are told from data', async () => {
    await file.write(Buffer.alloc(4 * MIB, 1), 0)
    expect(await file.punchHole(MIB, MIB)).toBe(true)
    expect(await file.read(MIB - 1, 2)).toEqual(Buffer.from([1, 0]))
    expect((await file.stat()).size).toBe(4 * MIB)
    expect(await file.runs(4096, 4 * MIB)).toEqual([
      { position: 4096, length: MIB - 4096, stored: true },
      { position: MIB, length: MIB, stored: false },
      { position: 2 * MIB, length: 2 * MIB, stored: true },
      { position: 4 * MIB, length: 4096, stored: false },
    ])
  })
})

describe('a file open for reading', () => {
  it('is closed only after the reads under way', async () => {
    await file.write(Buffer.alloc(MIB, 5), 0)
    const reader = await files.openRead(file.path)
    const reads = Array.from({ length: 8 }, (_, index) => reader.read(index * 4096, 4096))
    await reader.close()
    for (const bytes of await Promise.all(reads)) expect(bytes).toEqual(Buffer.alloc(4096, 5))
    await expect(reader.read(0, 1)).rejects.toMatchObject({ code: 'EBADF' })
  })

  it.each([true, false])('gives the same when it is read on the spot: %s', async immediate => {
    await file.write(Buffer.from('content'), 0)
    const reader = await files.openRegular(file.path, immediate)
    expect((await reader.read(3, 100)).toString()).toBe('tent')
    expect((await reader.stat()).size).toBe(7)
    await expect(reader.write(Buffer.from('x'), 0)).rejects.toThrow('reading only')
    await reader.close()
  })

  it.each([true, false])('is no directory and no device', async immediate => {
    await expect(files.openRegular(directory, immediate)).rejects.toMatchObject({ code: 'EINVAL' })
    await expect(files.openRegular('/dev/null', immediate)).rejects.toMatchObject({ code: 'EINVAL' })
  })
})
