import * as fs from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { CommandError, type Run } from '../../../lib/os/run.ts'
import { chooseVhdUtil } from '../../../lib/vhd/chooseVhdUtil.ts'
import { EmbeddedVhdUtil } from '../../../lib/vhd/EmbeddedVhdUtil.ts'
import { NativeVhdUtil } from '../../../lib/vhd/NativeVhdUtil.ts'
import { parseScan } from '../../../lib/vhd/parseScan.ts'
import type { VhdUtil } from '../../../lib/vhd/VhdUtil.ts'
import { inProcessVhdUtil } from './inProcessVhdUtil.ts'
import { BLOCK, files, makeUtil, MIB, newUuid, scratch, writeGuest } from './support.ts'

const PROGRAM = '/usr/bin/vhd-util'
const KEY = 'cd'.repeat(32)

let directory: string
let calls: string[][]
let util: NativeVhdUtil

beforeEach(() => {
  directory = scratch()
  const tool = inProcessVhdUtil()
  calls = tool.calls
  util = new NativeVhdUtil(tool.run, PROGRAM, makeUtil())
})

function at(name: string): string {
  return path.join(directory, name)
}

/** The life of a small SR, told by every question the interface has. */
async function story(tool: VhdUtil, folder: string): Promise<unknown[]> {
  const [base, leaf, other] = ['base.vhd', 'leaf.vhd', 'other.vhd'].map(name => path.join(folder, name)) as [
    string,
    string,
    string,
  ]
  await tool.create(base, 3 * MIB)
  await tool.setKeyHash(base, KEY)
  await writeGuest(base, 0, Buffer.alloc(4096, 1))
  await tool.snapshot(leaf, base)
  await tool.setHidden(base, true)
  await tool.create(other, 4 * MIB, { maxSize: 64 * MIB })
  await tool.resize(other, 16 * MIB, path.join(folder, 'j'))
  const limits = [await tool.sizeLimit(other), await tool.sizeLimit(leaf)]
  await tool.resize(leaf, 300 * MIB, path.join(folder, 'j'))
  await tool.check(leaf)
  fs.truncateSync(base, fs.statSync(base).size - 512)
  await tool.check(base, { allowMissingEndFooter: true })
  await tool.repair(base)
  await tool.check(base)
  const answers = [await answersFor(tool, leaf, folder), await answersFor(tool, base, folder)]
  await tool.setParent(leaf, other)
  await tool.killData(base)
  return [
    limits,
    ...answers,
    await answersFor(tool, leaf, folder),
    await answersFor(tool, base, folder),
    await tool.scan(folder),
  ]
}

async function answersFor(tool: VhdUtil, file: string, folder: string): Promise<unknown> {
  const relative = (name: string | undefined) => name?.replace(folder, '')
  const info = await tool.info(file)
  return {
    info: { ...info, parent: relative(info.parent) },
    parent: relative(await tool.parent(file)),
    sizes: [await tool.virtualSize(file), await tool.physicalSize(file), await tool.allocatedBlocks(file)],
    facts: [await tool.depth(file), await tool.hidden(file), await tool.hasParent(file), await tool.keyHash(file)],
  }
}

describe('the native tool', () => {
  it('answers every question as the embedded one does', async () => {
    expect(await story(util, directory)).toEqual(await story(makeUtil(), scratch()))
  })

  it('is given the reference’s command lines', async () => {
    await story(util, directory)
    const lines = calls.map(([, ...args]) => args.join(' ').replaceAll(`${directory}/`, ''))
    expect(lines).toEqual(
      expect.arrayContaining([
        'create -n base.vhd -s 3',
        'create -n other.vhd -s 4 -S 64',
        'snapshot -n leaf.vhd -p base.vhd',
        'set --debug -n base.vhd -f hidden -v 1',
        'resize --debug -s 16 -n other.vhd -f',
        'resize --debug -s 300 -n leaf.vhd -j j',
        'check --debug -n leaf.vhd',
        'check --debug -n base.vhd -i',
        'query --debug -d -n leaf.vhd',
        'read --debug -p -n leaf.vhd',
        'modify --debug -p other.vhd -n leaf.vhd',
        'modify --debug -z -n base.vhd',
        `key -s -n base.vhd -H ${KEY}`,
        'scan -f -M -m *.vhd',
      ]),
    )
    expect(calls.every(([program]) => program === PROGRAM)).toBe(true)
  })

  it('passes on how a snapshot is to be linked', async () => {
    await util.create(at('base.vhd'), BLOCK)
    fs.writeFileSync(at('base.raw'), Buffer.alloc(BLOCK))
    await util.snapshot(at('a.vhd'), at('base.vhd'), { exactParent: true })
    await util.snapshot(at('b.vhd'), at('base.raw'), { parentRaw: true })
    expect(calls.slice(1).map(call => call.slice(-1))).toEqual([['-e'], ['-m']])
  })

  it('tells its exit status as the error’s code and number', async () => {
    await expect(util.depth(at('none.vhd'))).rejects.toMatchObject({ name: 'VhdError', code: 'ENOENT', errno: 2 })
    const broken = new NativeVhdUtil(exitingWith(28), PROGRAM, makeUtil())
    await expect(broken.create(at('x.vhd'), BLOCK)).rejects.toMatchObject({ code: 'ENOSPC', errno: 28 })
    const absent = new NativeVhdUtil(exitingWith(127), PROGRAM, makeUtil())
    await expect(absent.create(at('x.vhd'), BLOCK)).rejects.toMatchObject({ code: 'EIO' })
  })

  it('refuses output that is no answer', async () => {
    const odd = new NativeVhdUtil(
      () => Promise.resolve({ exitCode: 0, stdout: 'what?\n', stderr: '' }),
      PROGRAM,
      makeUtil(),
    )
    await expect(odd.depth(at('x.vhd'))).rejects.toMatchObject({ code: 'EINVAL' })
    await expect(odd.hasParent(at('x.vhd'))).rejects.toMatchObject({ code: 'EINVAL' })
    await expect(odd.scan(directory)).rejects.toMatchObject({ code: 'EINVAL' })
  })

  it('scans on past a broken file in a second run', async () => {
    await util.create(at('good.vhd'), BLOCK)
    fs.writeFileSync(at('bad.vhd'), 'x')
    const rows = await util.scan(directory)
    expect(rows).toMatchObject([{ name: 'bad.vhd', error: { code: 'EIO' } }, { name: 'good.vhd' }])
    expect(calls.slice(1).map(([, ...args]) => args)).toEqual([
      ['scan', '-f', '-M', '-m', `${directory}/*.vhd`],
      ['scan', '-f', '-c', '-M', '-m', `${directory}/*.vhd`],
    ])
  })

  it('keeps pattern characters of the directory from being patterns', async () => {
    const odd = at('a[b]{c}*')
    fs.mkdirSync(odd)
    await util.scan(odd)
    expect(calls[0]?.at(-1)).toBe(`${directory}/a\\[b\\]\\{c\\}\\*/*.vhd`)
  })
})

describe('the lines of a scan', () => {
  it('are read with and without a key, and with errors', () => {
    const rows = parseScan(
      [
        'vhd=b.vhd capacity=10485760 size=3584 hidden=1 parent=none',
        `vhd=c.vhd capacity=10485760 size=5120 hidden=0 marker=0 keyhash=${KEY} parent=b.vhd`,
        'vhd=d.vhd capacity=2 size=1 hidden=0 marker=0 keyhash= parent=b.vhd',
        "vhd=/sr/a.vhd scan-error=-2 error-message='opening file'",
        '',
      ].join('\n'),
    )
    expect(rows).toMatchObject([
      { name: 'a.vhd', error: { code: 'ENOENT' } },
      { name: 'b.vhd', virtualSize: 10_485_760, physicalSize: 3584, hidden: true, parentName: undefined },
      { name: 'c.vhd', hidden: false, parentName: 'b.vhd', keyHash: KEY },
      { name: 'd.vhd', keyHash: undefined },
    ])
  })
})

describe('the choice of a tool', () => {
  const system = { files, run: exitingWith(1), newUuid, now: Date.now }

  it.each([
    ['embedded', EmbeddedVhdUtil],
    ['native', NativeVhdUtil],
    ['/opt/vhd-util', NativeVhdUtil],
  ])('follows %s', async (spec, expected) => {
    expect(await chooseVhdUtil(system, { spec })).toBeInstanceOf(expected)
  })

  it('runs the program it was given', async () => {
    const asked: string[] = []
    const run: Run = argv => {
      asked.push(argv[0])
      return Promise.resolve({ exitCode: 0, stdout: '', stderr: '' })
    }
    const tool = await chooseVhdUtil({ ...system, run }, { spec: '/opt/vhd-util' })
    await tool.repair('/x.vhd')
    expect(asked).toEqual(['/opt/vhd-util'])
  })

  it('holds the embedded tool to the boundary', async () => {
    const tool = await chooseVhdUtil(system, { spec: 'embedded', boundary: at('sr') })
    fs.mkdirSync(at('sr'))
    await makeUtil().create(at('outside.vhd'), BLOCK)
    await expect(tool.snapshot(at('sr/x.vhd'), at('outside.vhd'))).rejects.toMatchObject({ code: 'EACCES' })
  })
})

function exitingWith(exitCode: number): Run {
  return argv => Promise.reject(new CommandError(argv, exitCode, 'it failed', 'it failed'))
}
