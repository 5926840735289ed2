import { execFileSync, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { makeUtil, MIB, readGuest, scratch, writeGuest } from '../vhd/support.ts'
import { vhdUtil } from './run.ts'

const util = makeUtil()
const canAttach = process.geteuid?.() === 0 && spawnSync('losetup', ['-f']).status === 0

let directory: string
let disk: string

async function ok(...argv: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await vhdUtil(argv)
  expect({ exitCode, stderr }, argv.join(' ')).toEqual({ exitCode: 0, stderr: '' })
  return stdout
}

function at(name: string): string {
  return path.join(directory, name)
}

function attach(file: string): string {
  const device = execFileSync('losetup', ['--show', '-f', file], { encoding: 'utf8' }).trim()
  onTestFinished(() => {
    execFileSync('losetup', ['-d', device])
  })
  return device
}

beforeEach(async () => {
  directory = scratch()
  disk = at('d.vhd')
  await ok('create', '-n', disk, '-s', '10', '-S', '100')
})

describe('create', () => {
  it('refuses room for less than the disk', async () => {
    const outcome = await vhdUtil(['create', '-n', at('e.vhd'), '-s', '10', '-S', '8'])
    expect(outcome).toMatchObject({ exitCode: 22, stdout: 'Error: <-S size> must be greater than <-s size>\n' })
    expect(fs.existsSync(at('e.vhd'))).toBe(false)
  })

  it('makes a disk of size 0 with room from -S alone', async () => {
    expect(await ok('create', '-n', disk, '-S', '100')).toBe('')
    expect(await ok('query', '-vS', '-n', disk)).toBe('0\n100\n')
  })

  it('reports a path that cannot be created on stderr', async () => {
    const name = at('nowhere/e.vhd')
    expect(await vhdUtil(['create', '-n', name, '-s', '10'])).toMatchObject({
      exitCode: 2,
      stdout: '',
      stderr: `${name}: failed to create: -2\n`,
    })
  })

  it('writes out the zeroes of a fixed disk', async () => {
    await ok('create', '-n', disk, '-s', '4', '-r')
    const { size, blocks } = fs.statSync(disk)
    expect(size).toBe(4 * MIB + 512)
    expect(blocks * 512).toBeGreaterThanOrEqual(4 * MIB)
    expect(await ok('check', '-n', disk)).toBe('')
  })
})

describe('snapshot', () => {
  it('keeps to the limit of depth', async () => {
    await writeGuest(disk, 0, Buffer.alloc(512, 1))
    await ok('snapshot', '-n', at('1.vhd'), '-p', disk, '-l', '2')
    const refused = await vhdUtil(['snapshot', '-n', at('2.vhd'), '-p', at('1.vhd'), '-l', '2'])
    expect(refused).toMatchObject({ exitCode: 28, stdout: 'snapshot depth exceeded: current depth: 2, limit: 2\n' })
    expect(fs.existsSync(at('2.vhd'))).toBe(false)
    fs.unlinkSync(disk)
    const unknown = await vhdUtil(['snapshot', '-n', at('2.vhd'), '-p', at('1.vhd'), '-l', '9'])
    expect(unknown).toMatchObject({ exitCode: 2, stdout: 'error checking snapshot depth: -2\n' })
  })

  it('fails silently without a parent, for a parent that is no VHD, and for too little room', async () => {
    fs.writeFileSync(at('raw'), Buffer.alloc(4096))
    const silent = (exitCode: number) => ({ exitCode, stdout: '', stderr: '' })
    expect(await vhdUtil(['snapshot', '-n', at('1.vhd'), '-p', at('none')])).toMatchObject(silent(2))
    expect(await vhdUtil(['snapshot', '-n', at('1.vhd'), '-p', at('raw')])).toMatchObject(silent(22))
    expect(await vhdUtil(['snapshot', '-n', at('1.vhd'), '-p', disk, '-S', '4'])).toMatchObject(silent(22))
  })

  it('refuses names that the format cannot hold', async () => {
    await ok('create', '-n', at('größe.vhd'), '-s', '4')
    expect((await vhdUtil(['snapshot', '-n', at('1.vhd'), '-p', at('größe.vhd')])).exitCode).toBe(84)
    expect(fs.existsSync(at('1.vhd'))).toBe(false)
  })
})

describe('set', () => {
  it('stores the marker without harm to a full block', async () => {
    await writeGuest(disk, 0, Buffer.alloc(2 * MIB, 1))
    expect(await ok('set', '-n', disk, '-f', 'marker', '-v', '7')).toBe('')
    expect(await ok('query', '-m', '-n', disk)).toBe('marker: 7\n')
    expect(await ok('check', '-n', disk)).toBe(`${disk} is valid\n`)
    expect((await readGuest(disk)).subarray(0, 2 * MIB).every(byte => byte === 1)).toBe(true)
  })

  it('takes what is no number for 0 and stores any byte', async () => {
    await ok('set', '-n', disk, '-f', 'hidden', '-v', '2')
    expect(await ok('query', '-f', '-n', disk)).toBe('hidden: 2\n')
    expect((await vhdUtil(['check', '-n', disk])).stdout).toMatch(/^primary footer invalid: invalid 'hidden' state\n/)
    await ok('set', '-n', disk, '-f', 'hidden', '-v', 'no')
    expect(await ok('query', '-f', '-n', disk)).toBe('hidden: 0\n')
  })

  it('names a wrong field or value', async () => {
    const field = await vhdUtil(['set', '-n', disk, '-f', 'uuid', '-v', '1'])
    expect(field).toMatchObject({ exitCode: 22 })
    expect(field.stdout).toMatch(/^invalid field uuid\nusage: /)
    expect((await vhdUtil(['set', '-n', disk, '-f', 'hidden', '-v', '256'])).stdout).toMatch(
      /^invalid value 256\nusage: /,
    )
  })
})

describe('modify', () => {
  it('drops the data and refuses to do so on a fixed disk', async () => {
    await writeGuest(disk, 0, Buffer.alloc(2 * MIB, 1))
    await ok('modify', '-z', '-n', disk)
    expect(await ok('query', '-sa', '-n', disk)).toBe('3584\n0\n')
    await ok('create', '-n', disk, '-s', '2', '-r')
    expect(await vhdUtil(['modify', '-z', '-n', disk])).toMatchObject({
      exitCode: 38,
      stdout: 'failed to zero VHD: -38\n',
    })
  })

  it('names the parent it could not set', async () => {
    const expected = { exitCode: 22, stdout: `failed to set parent to '${disk}': -22\n` }
    expect(await vhdUtil(['modify', '-n', disk, '-p', disk])).toMatchObject(expected)
  })

  it('makes no disk its own parent', async () => {
    const leaf = at('leaf.vhd')
    await ok('snapshot', '-n', leaf, '-p', disk, '-e')
    const before = fs.readFileSync(leaf)
    fs.symlinkSync(leaf, at('alias.vhd'))
    for (const self of [leaf, at('alias.vhd')]) {
      expect((await vhdUtil(['modify', '-n', leaf, '-p', self])).exitCode).toBe(22)
      expect(fs.readFileSync(leaf).equals(before)).toBe(true)
    }
  })

  it('stops at the test points of a new parent', async () => {
    const [leaf, other] = [at('leaf.vhd'), at('other.vhd')]
    await ok('create', '-n', other, '-s', '10')
    await ok('snapshot', '-n', leaf, '-p', disk, '-e')
    const before = fs.readFileSync(leaf)
    for (const [point, changed] of [
      ['BEGIN', false],
      ['LOCATOR', true],
    ] as const) {
      const name = `VHD_UTIL_TEST_FAIL_REPARENT_${point}`
      const stopped = await vhdUtil(['modify', '-n', leaf, '-p', other], { env: { [name]: '1' } })
      expect(stopped).toMatchObject({ exitCode: 22, stdout: `Failing at ${name}\n` })
      expect(fs.readFileSync(leaf).equals(before)).toBe(!changed)
    }
    await ok('modify', '-n', leaf, '-p', other)
    expect(await ok('query', '-p', '-n', leaf)).toBe(`${other}\n`)
    expect(await ok('check', '-n', leaf)).toBe(`${leaf} is valid\n`)
  })

  it('refuses a physical size that cuts into the data', async () => {
    const refused = await vhdUtil(['modify', '-n', disk, '-s', '3072'])
    expect(refused).toMatchObject({ exitCode: 22, stdout: 'failed to set physical size to 3072: -22\n' })
    await ok('modify', '-n', disk, '-s', String(MIB))
    expect(fs.statSync(disk).size).toBe(MIB)
    expect(await ok('query', '-v', '-n', disk)).toBe('10\n')
  })

  it.skipIf(!canAttach)('moves the footer to the end of a grown device', async () => {
    const image = at('lv')
    fs.writeFileSync(image, Buffer.alloc(8 * MIB))
    const device = attach(image)
    await ok('create', '-n', device, '-s', '10')
    fs.truncateSync(image, 16 * MIB)
    execFileSync('losetup', ['-c', device])
    expect((await vhdUtil(['check', '-n', device])).stdout).toMatch(/^primary footer invalid: invalid cookie\n/)
    await ok('modify', '-n', device, '-s', String(16 * MIB))
    expect(await ok('check', '-n', device)).toBe(`${device} is valid\n`)
    expect((await vhdUtil(['modify', '-n', device, '-s', String(17 * MIB)])).exitCode).toBe(28)
  })
})

describe('resize', () => {
  it('grows within the tables with -f and not past them', async () => {
    await ok('resize', '-n', disk, '-s', '31', '-f')
    expect(await ok('query', '-vS', '-n', disk)).toBe('32\n100\n')
    expect(await vhdUtil(['resize', '-n', disk, '-s', '102', '-f'])).toMatchObject({ exitCode: 22, stdout: '' })
    const smaller = await vhdUtil(['resize', '-n', disk, '-s', '20', '-f'])
    expect(smaller.stdout).toBe(`${disk}: size (${20 * MIB}) < curr size (${32 * MIB})\n`)
    expect(await ok('resize', '-n', disk, '-s', '32', '-f')).toBe('')
  })

  it('grows past the tables with a journal, to the size asked for', async () => {
    await ok('resize', '-n', disk, '-s', '20', '-j', at('j'))
    expect(await ok('query', '-v', '-n', disk)).toBe('20\n')
    await ok('resize', '-n', disk, '-s', '600', '-j', at('j'))
    expect(await ok('query', '-v', '-n', disk)).toBe('600\n')
    expect(fs.existsSync(at('j'))).toBe(false)
  })

  it('explains why it does not', async () => {
    fs.writeFileSync(at('j'), '')
    const attempts: readonly (readonly [readonly string[], number, string])[] = [
      [['-s', '4', '-j', at('k')], 38, 'dynamic shrink not fully implemented\nresize failed: -38\n'],
      [['-s', '600', '-j', at('j')], 17, 'creating journal failed: -17\n'],
    ]
    for (const [options, exitCode, stdout] of attempts) {
      expect(await vhdUtil(['resize', '-n', disk, ...options])).toMatchObject({ exitCode, stdout })
    }
    await ok('create', '-n', disk, '-s', '2', '-r')
    const fixed = await vhdUtil(['resize', '-n', disk, '-s', '8', '-j', at('k')])
    expect(fixed).toMatchObject({ exitCode: 22, stdout: 'creating journal failed: -22\n' })
  })

  it.skipIf(!canAttach)('keeps its journal on a block device, which stays', async () => {
    const image = at('lv')
    fs.writeFileSync(image, Buffer.alloc(6 * MIB, 0xee))
    const journal = attach(image)
    await writeGuest(disk, 0, Buffer.alloc(2 * MIB, 5))
    const before = fs.readFileSync(disk)
    const stop = { VHD_UTIL_TEST_FAIL_RESIZE_DATA_MOVED: '1' }
    expect((await vhdUtil(['resize', '-n', disk, '-s', '2000', '-j', journal], { env: stop })).exitCode).toBe(22)
    expect((await vhdUtil(['set', '-n', disk, '-f', 'hidden', '-v', '1'])).exitCode).toBe(22)
    await ok('revert', '-n', disk, '-j', journal)
    expect(fs.readFileSync(disk).equals(before)).toBe(true)
    await ok('resize', '-n', disk, '-s', '2000', '-j', journal)
    expect(await ok('query', '-v', '-n', disk)).toBe('2000\n')
    expect(await ok('check', '-n', disk)).toBe(`${disk} is valid\n`)
    expect(fs.statSync(journal).isBlockDevice()).toBe(true)
    expect(fs.readFileSync(image).readUInt32BE(36)).toBe(0)
  })
})

describe('revert', () => {
  it("refuses another disk's journal and tells what is wrong with one", async () => {
    const other = at('other.vhd')
    await ok('create', '-n', other, '-s', '10')
    const stop = { VHD_UTIL_TEST_FAIL_RESIZE_BEGIN: '1' }
    await vhdUtil(['resize', '-n', other, '-s', '600', '-j', at('j')], { env: stop })
    const before = fs.readFileSync(disk)
    const expected = { exitCode: 22, stdout: 'opening journal failed: -22\n' }
    expect(await vhdUtil(['revert', '-n', disk, '-j', at('j')])).toMatchObject(expected)
    expect(fs.readFileSync(disk).equals(before)).toBe(true)
    expect(await vhdUtil(['revert', '-n', disk, '-j', at('k')])).toMatchObject({
      exitCode: 2,
      stdout: 'opening journal failed: -2\n',
    })
    fs.truncateSync(at('j'), 1024)
    expect(await vhdUtil(['revert', '-n', other, '-j', at('j')])).toMatchObject({
      exitCode: 32,
      stdout: 'opening journal failed: -32\n',
    })
  })
})

describe('repair', () => {
  it('makes a disk that lost or damaged its end the one it was', async () => {
    await writeGuest(disk, 0, Buffer.alloc(2 * MIB, 1))
    const before = fs.readFileSync(disk)
    fs.truncateSync(disk, before.length - 512)
    await ok('repair', '-n', disk)
    expect(fs.readFileSync(disk).equals(before)).toBe(true)
    fs.appendFileSync(disk, Buffer.alloc(700, 3))
    await ok('repair', '-b', '-n', disk)
    expect(fs.readFileSync(disk).equals(before)).toBe(true)
  })
})

describe('fill', () => {
  it('makes every block present and keeps the content', async () => {
    const leaf = at('leaf.vhd')
    await writeGuest(disk, 4 * MIB, Buffer.alloc(MIB, 7))
    await ok('snapshot', '-n', leaf, '-p', disk)
    await writeGuest(leaf, 512, Buffer.alloc(512, 8))
    const before = await readGuest(leaf)
    expect(await ok('fill', '-n', leaf)).toBe('')
    expect(await ok('query', '-a', '-n', leaf)).toBe('5\n')
    expect(await ok('read', '-n', leaf, '-e', '0', '-c', String(5 * 4096))).toBe(`0 ${5 * 4096}\n`)
    expect((await readGuest(leaf)).equals(before)).toBe(true)
    expect(await ok('check', '-n', leaf)).toBe(`${leaf} is valid\n`)
  })

  it('allocates a range without writing data with -b and leaves what is allocated', async () => {
    await writeGuest(disk, 2 * MIB, Buffer.alloc(512, 7))
    const before = await readGuest(disk)
    await ok('fill', '-b', '-B', '-n', disk, '-f', '4096', '-t', '8192')
    expect(await ok('query', '-a', '-n', disk)).toBe('2\n')
    expect(await ok('read', '-n', disk, '-e', '0', '-c', String(5 * 4096))).toBe('4096 1\n8192 4096\n')
    expect((await readGuest(disk)).equals(before)).toBe(true)
    expect(await ok('check', '-n', disk)).toBe(`${disk} is valid\n`)
    expect((await vhdUtil(['fill', '-b', '-n', disk, '-t', '20480'])).exitCode).toBe(34)
  })
})

describe('copy', () => {
  it("copies the disk's own blocks as a guest reads them", async () => {
    const [leaf, target] = [at('leaf.vhd'), at('copy.vhd')]
    await writeGuest(disk, 0, Buffer.alloc(4 * MIB, 7))
    await ok('snapshot', '-n', leaf, '-p', disk)
    await writeGuest(leaf, 2 * MIB, Buffer.alloc(512, 8))
    await ok('copy', '-n', leaf, '-N', target)
    expect(await ok('query', '-vpa', '-n', target)).toBe(`10\n${target} has no parent\n1\n`)
    const expected = Buffer.alloc(10 * MIB)
    expected.fill(7, 2 * MIB, 4 * MIB).fill(8, 2 * MIB, 2 * MIB + 512)
    expect((await readGuest(target)).equals(expected)).toBe(true)
    expect((await vhdUtil(['copy', '-n', leaf, '-N', target])).exitCode).toBe(22)
    expect((await readGuest(target)).equals(expected)).toBe(true)
  })
})

describe('key', () => {
  it('is set on an empty disk, printed, and inherited', async () => {
    const [hash, nonce] = ['ab'.repeat(32), 'cd'.repeat(32)]
    expect(await ok('key', '-p', '-n', disk)).toBe('none\n')
    expect(await ok('key', '-s', '-n', disk, '-H', hash, '-N', nonce)).toBe('')
    expect(await ok('key', '-p', '-n', disk)).toBe(`${nonce} ${hash}\n`)
    await ok('snapshot', '-n', at('leaf.vhd'), '-p', disk)
    expect(await ok('key', '-p', '-n', at('leaf.vhd'))).toBe(`${nonce} ${hash}\n`)
    expect(await util.keyHash(disk)).toBe(hash)
  })

  it('is refused on a disk with data, and unless it has 64 digits', async () => {
    expect(await vhdUtil(['key', '-s', '-n', disk, '-H', 'ab'])).toMatchObject({
      exitCode: 22,
      stderr: 'setting key failed: -22\n',
    })
    await writeGuest(disk, 0, Buffer.alloc(512, 1))
    expect(await vhdUtil(['key', '-s', '-n', disk, '-H', 'ab'.repeat(32)])).toMatchObject({
      exitCode: 22,
      stderr: "vhd_util_set_key: can't save key hashes for non-empty vhds\nsetting key failed: -22\n",
    })
  })
})

describe('coalesce', () => {
  it('tells its progress before the result, which ends without a newline', async () => {
    const leaf = at('leaf.vhd')
    await ok('snapshot', '-n', leaf, '-p', disk, '-e')
    await writeGuest(leaf, 512, Buffer.alloc(1024, 1))
    const progress = ['  0.00', ' 20.00', ' 40.00', ' 60.00', ' 80.00', '100.00']
      .map(percent => `\r${percent}%`)
      .join('')
    expect(await ok('coalesce', '-p', '-n', leaf)).toBe(`${progress}\nCoalesced 2 sectors`)
    expect(await ok('coalesce', '-s', '-n', leaf)).toBe('opening for sparse writes\nCoalesced 2 sectors')
  })

  it('says what stands in its way', async () => {
    const leaf = at('leaf.vhd')
    await ok('snapshot', '-n', leaf, '-p', disk, '-e')
    const failure = (exitCode: number, text: string) => ({
      exitCode,
      stdout: `${text}error coalescing: -${exitCode}\n`,
    })
    const run = (name: string) => vhdUtil(['coalesce', '-n', name])
    const notSupported = 'coalescing of non-differencing disks is not supported\n'
    expect(await run(disk)).toMatchObject(failure(22, notSupported))
    expect(await run(at('none'))).toMatchObject(failure(2, `error opening ${at('none')}: -2\n`))
    await ok('resize', '-n', leaf, '-s', '20', '-j', at('j'))
    await writeGuest(leaf, 12 * MIB, Buffer.alloc(512, 1))
    expect(await run(leaf)).toMatchObject(failure(34, ''))
    fs.writeFileSync(disk, Buffer.alloc(4096))
    expect(await run(leaf)).toMatchObject(failure(22, `error opening ${disk}: -22\n`))
    fs.unlinkSync(disk)
    expect(await run(leaf)).toMatchObject(failure(2, `error finding ${leaf} parent: -2\n`))
    expect((await vhdUtil(['coalesce', '-n', leaf, '-a'])).exitCode).toBe(22)
  })
})
