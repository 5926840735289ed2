import * as fs from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import type { FakeLvm } from '../../support/FakeLvm.ts'
import { fakeGroup, MIB, oneCall, SR } from './support.ts'

const LEAF = { uuid: 'leaf', volume: 'VHD-leaf' }
const OTHER = { uuid: 'other', volume: 'VHD-other' }
const PARENT = { uuid: 'parent', volume: 'VHD-parent' }
const ROOT = { uuid: 'root', volume: 'LV-root' }

let lvm: FakeLvm

/** Two leaves on a parent on a root, none of them active. */
beforeEach(async () => {
  lvm = fakeGroup(10)
  const { group } = oneCall(lvm)
  const names = [LEAF, OTHER, PARENT, ROOT].map(({ volume }) => volume)
  for (const name of names) await group.create(name, MIB)
  await group.deactivate(names)
  lvm.takeCommands()
})

const mapped = () => [...lvm.volumes].flatMap(([name, { active }]) => (active ? [name] : [])).sort()

function counts(): Record<string, string> {
  const directory = path.join(lvm.root, 'run/sm/refcount', `lvm-${SR}`)
  if (!fs.existsSync(directory)) return {}
  return Object.fromEntries(
    fs.readdirSync(directory).map(name => [name, fs.readFileSync(path.join(directory, name), 'utf8')]),
  )
}

describe('volumes held by a call', () => {
  test('are mapped by one process, counted, and unmapped by one', async () => {
    const { activator } = oneCall(lvm)
    await activator.hold([LEAF, PARENT])
    expect(mapped()).toEqual(['VHD-leaf', 'VHD-parent'])
    expect(counts()).toEqual({ leaf: '1 0\n', parent: '1 0\n' })
    await activator.hold([LEAF, PARENT, ROOT])
    expect(counts()).toEqual({ leaf: '1 0\n', parent: '1 0\n', root: '1 0\n' })
    await activator.release()
    expect([mapped(), counts()]).toEqual([[], {}])
    await activator.release()
    expect(lvm.takeCommands()).toEqual(['lvchange', 'lvchange', 'lvm', 'lvchange'])
  })

  test('stay mapped while another process needs them', async () => {
    const [one, another] = [oneCall(lvm), oneCall(lvm)]
    await one.activator.hold([LEAF, PARENT])
    await another.activator.hold([PARENT])
    await one.activator.release()
    expect([mapped(), counts()]).toEqual([['VHD-parent'], { parent: '1 0\n' }])
    await another.activator.release()
    expect([mapped(), counts()]).toEqual([[], {}])
  })

  test('are followed when they are new, renamed or removed', async () => {
    const { activator, group } = oneCall(lvm)
    await activator.hold([LEAF])
    await group.rename('VHD-leaf', 'VHD-base')
    await activator.renamed('leaf', { uuid: 'base', volume: 'VHD-base' })
    await group.create('VHD-leaf', MIB)
    await activator.adopt(LEAF)
    await group.create('VHD-new', MIB)
    await activator.adopt({ uuid: 'new', volume: 'VHD-new' })
    expect(counts()).toEqual({ base: '1 0\n', leaf: '1 0\n', new: '1 0\n' })
    await group.remove('VHD-new')
    await activator.removed('new')
    await activator.release()
    expect([mapped(), counts()]).toEqual([[], {}])
    expect(lvm.takeCommands().filter(word => word === 'lvchange')).toHaveLength(2)
  })

  test('that somebody has open stay mapped, with a warning', async () => {
    const { activator, warnings } = oneCall(lvm)
    await activator.hold([LEAF, PARENT])
    lvm.held.add('VHD-leaf')
    await activator.release()
    expect([mapped(), counts()]).toEqual([['VHD-leaf'], {}])
    expect(warnings).toContain('VHD-leaf stays active: somebody has it open')
  })

  test('are dropped although mapping them failed', async () => {
    const { activator } = oneCall(lvm)
    await expect(activator.hold([LEAF, { uuid: 'none', volume: 'VHD-none' }])).rejects.toMatchObject({
      reason: 'missing',
    })
    await activator.release()
    expect([mapped(), counts()]).toEqual([[], {}])
  })
})

describe('an attachment', () => {
  test('outlives its call, is counted once, and ends once', async () => {
    const first = oneCall(lvm).activator
    await first.attach(LEAF, [PARENT, ROOT])
    first.persist()
    await first.release()
    expect(counts()).toEqual({ leaf: '0 1\n', parent: '1 0\n', root: '1 0\n' })
    const again = oneCall(lvm).activator
    await again.attach(LEAF, [PARENT, ROOT])
    await again.release()
    const second = oneCall(lvm).activator
    await second.attach(OTHER, [PARENT, ROOT])
    second.persist()
    expect(counts()).toEqual({ leaf: '0 1\n', other: '0 1\n', parent: '2 0\n', root: '2 0\n' })
    await oneCall(lvm).activator.detach(LEAF, [PARENT, ROOT])
    await oneCall(lvm).activator.detach(LEAF, [PARENT, ROOT])
    expect([mapped(), counts()]).toEqual([
      ['LV-root', 'VHD-other', 'VHD-parent'],
      { other: '0 1\n', parent: '1 0\n', root: '1 0\n' },
    ])
    await oneCall(lvm).activator.detach(OTHER, [PARENT, ROOT])
    expect([mapped(), counts()]).toEqual([[], {}])
  })

  test('that did not succeed is undone with the call', async () => {
    const { activator } = oneCall(lvm)
    await activator.attach(LEAF, [PARENT])
    await activator.release()
    expect([mapped(), counts()]).toEqual([[], {}])
  })
})

describe('refcounts', () => {
  test("are the reference's files, and what is none counts as no reference", async () => {
    const { references, warnings } = oneCall(lvm)
    const directory = path.join(lvm.root, 'run/sm/refcount', `lvm-${SR}`)
    expect(await references.get('a', 'count')).toBe(1)
    expect(await references.get('a', 'binary')).toBe(2)
    expect(await references.get('a', 'binary')).toBe(2)
    expect(await references.get('a', 'count')).toBe(3)
    expect(counts()).toEqual({ a: '2 1\n' })
    fs.writeFileSync(path.join(directory, 'b'), '7 0\n')
    expect(await references.read('b')).toEqual({ count: 7, binary: 0 })
    for (const rubbish of ['', 'x y\n', '-1 0\n', '1 2\n', '1\n', '99999999999999 0\n']) {
      fs.writeFileSync(path.join(directory, 'b'), rubbish)
      expect(await references.read('b')).toEqual({ count: 0, binary: 0 })
    }
    expect(warnings).toHaveLength(6)
  })

  test('never fall below none, and leave nothing when none is left', async () => {
    const { references, warnings } = oneCall(lvm)
    expect(await references.put('a', 'count')).toBe(0)
    expect(await references.put('a', 'binary')).toBe(0)
    expect(warnings).toHaveLength(2)
    await references.get('a', 'count')
    expect(await references.put('a', 'count')).toBe(0)
    expect(fs.readdirSync(path.join(lvm.root, 'run/sm/refcount'))).toEqual([])
  })

  test('cannot leave their directory', async () => {
    const { references } = oneCall(lvm)
    await references.write('a*b?c\\d', { count: 1, binary: 0 })
    expect(counts()).toEqual({ a_b_c_d: '1 0\n' })
    await expect(references.write('../x', { count: 1, binary: 0 })).rejects.toMatchObject({ code: 37 })
  })

  test('are all forgotten at the start of an attachment', async () => {
    const { references } = oneCall(lvm)
    await references.forgetAll()
    await references.get('a', 'count')
    await references.get('b', 'binary')
    await references.forgetAll()
    expect(counts()).toEqual({})
    expect(await references.read('a')).toEqual({ count: 0, binary: 0 })
  })

  test('are exact when many processes change them at once', async () => {
    const calls = Array.from({ length: 8 }, () => oneCall(lvm).references)
    await Promise.all(calls.map(references => references.get('a', 'count')))
    expect(counts()).toEqual({ a: '8 0\n' })
    await Promise.all(calls.map(references => references.put('a', 'count')))
    expect(counts()).toEqual({})
  })
})
