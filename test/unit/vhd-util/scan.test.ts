import * as fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeUtil, MIB, scratch, writeGuest } from '../vhd/support.ts'
import { vhdUtil } from './run.ts'

const util = makeUtil()
const home = process.cwd()
let directory: string

beforeEach(async () => {
  directory = scratch()
  process.chdir(directory)
  await util.create('base.vhd', 4 * MIB)
  await writeGuest(path.resolve('base.vhd'), 0, Buffer.alloc(512, 1))
  await util.snapshot(path.resolve('leaf.vhd'), path.resolve('base.vhd'))
})

afterEach(() => {
  process.chdir(home)
})

const BASE = 'vhd=base.vhd capacity=4194304 size=2101760 hidden=0 parent=none\n'
const LEAF = 'vhd=leaf.vhd capacity=4194304 size=5120 hidden=0 parent=base.vhd\n'

function broken(name: string): string {
  fs.writeFileSync(name, Buffer.alloc(4096))
  return `vhd=${name} scan-error=-22 error-message='opening file'\n`
}

describe('scan of files', () => {
  it('prints a line per match, base names unless verbose', async () => {
    expect(await vhdUtil(['scan', '-f', '-m', '*.vhd'])).toMatchObject({ exitCode: 0, stdout: BASE + LEAF, stderr: '' })
    expect(await vhdUtil(['scan', '-m', `${directory}/*.vhd`])).toMatchObject({ exitCode: 0, stdout: BASE + LEAF })
    expect((await vhdUtil(['scan', '-f', '-m', './{leaf,base}.vhd'])).stdout).toBe(LEAF + BASE)
    expect((await vhdUtil(['scan', '-f', 'leaf.vhd'])).stdout).toBe(LEAF)
    const verbose = await vhdUtil(['scan', '-v', '-m', `${directory}/l*.vhd`])
    const places = { name: `${directory}/leaf.vhd`, parent: `${directory}/base.vhd` }
    expect(verbose.stdout).toBe(`vhd=${places.name} capacity=4194304 size=5120 hidden=0 parent=${places.parent}\n`)
  })

  it('prints markers and key hashes with -M', async () => {
    await util.create('key.vhd', 2 * MIB)
    await util.setKeyHash('key.vhd', 'ab'.repeat(32))
    await vhdUtil(['set', '-n', 'key.vhd', '-f', 'marker', '-v', '3'])
    expect((await vhdUtil(['scan', '-f', '-M', '-m', '*e*.vhd'])).stdout).toBe(
      BASE.replace('hidden=0', 'hidden=0 marker=0 keyhash=') +
        `vhd=key.vhd capacity=2097152 size=3584 hidden=0 marker=3 keyhash=${'ab'.repeat(32)} parent=none\n` +
        LEAF.replace('hidden=0', 'hidden=0 marker=0 keyhash='),
    )
  })

  it('stops at the first disk that fails, and goes on with -c', async () => {
    const line = broken('c.vhd')
    expect(await vhdUtil(['scan', '-f', '-m', '*.vhd'])).toMatchObject({ exitCode: 22, stdout: BASE + line })
    expect(await vhdUtil(['scan', '-f', '-c', '-m', '*.vhd'])).toMatchObject({
      exitCode: 0,
      stdout: BASE + line + LEAF,
    })
  })

  it('follows parents with -a, and only tells of one that is missing', async () => {
    expect((await vhdUtil(['scan', '-a', 'leaf.vhd'])).stdout).toBe(LEAF + BASE)
    expect((await vhdUtil(['scan', '-f', '-a', '-m', 'l*'])).stdout).toBe(LEAF + BASE)
    fs.unlinkSync('base.vhd')
    expect(await vhdUtil(['scan', '-a', 'leaf.vhd'])).toMatchObject({
      exitCode: 0,
      stdout: `vhd=./base.vhd scan-error=-2 error-message='failure scanning target'\n${LEAF}`,
    })
  })

  it('shows images that name each other as parents once each', async () => {
    fs.unlinkSync('base.vhd')
    fs.linkSync('leaf.vhd', 'base.vhd')
    const { exitCode, stdout } = await vhdUtil(['scan', '-p', '-m', '*.vhd'])
    expect(exitCode).toBe(0)
    expect(stdout.split('\n').filter(line => line.includes('vhd='))).toHaveLength(2)
  })

  it('prints nothing where nothing matches', async () => {
    for (const pattern of ['*.none', 'none', `${directory}/none.vhd`]) {
      expect(await vhdUtil(['scan', '-f', '-m', pattern])).toMatchObject({ exitCode: 0, stdout: '', stderr: '' })
    }
  })

  it('tells of a directory that it cannot list and of a file that is not there', async () => {
    const pattern = `${directory}/none/*.vhd`
    expect(await vhdUtil(['scan', '-f', '-c', '-m', pattern])).toMatchObject({
      exitCode: 5,
      stdout:
        `vhd=${directory}/none scan-error=2 error-message='failure scanning target'\n` +
        `vhd=${pattern} scan-error=-5 error-message='failure scanning target'\n`,
      stderr: 'scan failed: -5. Check syslog for details\n',
    })
    const missing = "vhd=none.vhd scan-error=-2 error-message='failure scanning target'\n"
    expect(await vhdUtil(['scan', '-f', 'none.vhd'])).toMatchObject({ exitCode: 2, stdout: missing })
  })
})

describe('the patterns of scan', () => {
  const names = ['a.vhd', 'b.vhd', 'a-b.vhd', '.hidden.vhd', '[x].vhd', 'ab', 'c{d}.vhd', 'sub/e.vhd', 'sub/f.raw']
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['?.vhd', ['a.vhd', 'b.vhd']],
    ['[ab].vhd', ['a.vhd', 'b.vhd']],
    ['[!a].vhd', ['b.vhd']],
    ['[^a].vhd', ['b.vhd']],
    ['[a-b]*.vhd', ['a-b.vhd', 'a.vhd', 'b.vhd', 'base.vhd']],
    ['.*.vhd', ['.hidden.vhd']],
    ['\\[x\\].vhd', ['[x].vhd']],
    ['[[]x*', ['[x].vhd']],
    ['a{b,.vhd}', ['ab', 'a.vhd']],
    ['{a,b{x,.vhd}}', ['b.vhd']],
    ['c\\{d\\}*', ['c{d}.vhd']],
    ['c{d}*', ['c{d}.vhd']],
    ['s*/*.vhd', ['sub/e.vhd']],
    ['*/f.raw', ['sub/f.raw']],
    ['a(b|c)', []],
  ]

  it.each(cases)('%s', async (pattern, expected) => {
    fs.mkdirSync('sub')
    for (const name of names) fs.writeFileSync(name, '')
    const { stdout } = await vhdUtil(['scan', '-f', '-c', '-v', '-m', pattern])
    const found = stdout
      .split('\n')
      .filter(line => line !== '')
      .map(line => /^vhd=(\S+)/.exec(line)?.[1])
    expect(found.sort()).toEqual([...expected].sort())
  })
})
