import * as fs from 'node:fs'
import { beforeEach, describe, expect, test } from 'vitest'
import { errnoError } from '../../../lib/os/effects.ts'
import type { FakeLvm } from '../../support/FakeLvm.ts'
import { RootedFiles } from '../../support/RootedFiles.ts'
import { fakeGroup, MIB, oneCall } from './support.ts'

const ORIG = '1a000001-0000-4000-8000-000000000001'
const BASE = '1a000002-0000-4000-8000-000000000002'
const CLONE = '1a000003-0000-4000-8000-000000000003'
const PAIR = `${BASE}_${CLONE}`

let lvm: FakeLvm

beforeEach(() => {
  lvm = fakeGroup(10)
})

describe('journals as volumes', () => {
  test('hold a short value in their name: one command writes them', async () => {
    const { journals } = oneCall(lvm)
    await journals.create('inflate', ORIG, '8388608')
    expect([...lvm.volumes]).toMatchObject([
      [`inflate_${ORIG}_8388608`, { size: 4 * MIB, tags: ['journaler'], writable: true }],
    ])
    expect(lvm.takeCommands()).toEqual(['lvm', 'lvcreate'])
    const found = await oneCall(lvm).journals.ofType('inflate')
    expect([...found.values()]).toMatchObject([{ type: 'inflate', id: ORIG, value: '8388608' }])
  })

  test('hold that of a clone inside, as the reference does', async () => {
    await oneCall(lvm).journals.create('clone', ORIG, PAIR)
    expect([...lvm.volumes.keys()]).toEqual([`clone_${ORIG}_1`])
    expect(lvm.content(`clone_${ORIG}_1`).toString('latin1', 0, 512)).toBe(`73 ${PAIR}`.padEnd(512))
    expect(lvm.takeCommands()).toEqual(['lvm', 'lvcreate', 'lvrename'])
    const found = await oneCall(lvm).journals.ofType('clone')
    expect(found.get(ORIG)?.value).toBe(PAIR)
    expect(lvm.takeCommands()).toEqual(['lvm'])
  })

  test('of a single snapshot name no clone', async () => {
    const { journals } = oneCall(lvm)
    await journals.create('clone', ORIG, `${BASE}_`)
    expect((await oneCall(lvm).journals.ofType('clone')).get(ORIG)?.value).toBe(`${BASE}_`)
  })

  test('hold a value inside from the 72nd character of their name on', async () => {
    const { journals } = oneCall(lvm)
    const room = 71 - `zero_${ORIG}_`.length
    await journals.create('zero', ORIG, '7'.repeat(room))
    await journals.create('zero', BASE, '7'.repeat(room + 1))
    expect([...lvm.volumes.keys()].map(name => name.length)).toEqual([71, `zero_${BASE}_1`.length])
  })

  test('are one per type and VDI (50), and removed once (100)', async () => {
    const { journals } = oneCall(lvm)
    await journals.create('inflate', ORIG, '1')
    await expect(journals.create('inflate', ORIG, '2')).rejects.toMatchObject({ code: 50 })
    await journals.create('clone', ORIG, PAIR)
    await journals.remove('inflate', ORIG)
    await expect(journals.remove('inflate', ORIG)).rejects.toMatchObject({ code: 100 })
    expect([...lvm.volumes.keys()]).toEqual([`clone_${ORIG}_1`])
  })

  test('of any type, known or not, mark their VDI', async () => {
    const { group, journals } = oneCall(lvm)
    expect(await journals.has(ORIG)).toBe(false)
    await group.create(`revert_${ORIG}_x`, MIB, ['journaler'])
    await group.create(`jvhd_${CLONE}`, MIB, ['jvhd'])
    await group.create(`clone_${BASE}_1`, MIB)
    expect(await Promise.all([ORIG, BASE, CLONE].map(id => journals.has(id)))).toEqual([true, false, true])
    expect(await journals.resizes()).toEqual([CLONE])
    expect(await journals.ofType('clone')).toEqual(new Map())
  })

  test('with a name that is none stand in the way of what they name, and of nothing else', async () => {
    const { group, journals } = oneCall(lvm)
    await group.create('clone_x', MIB, ['journaler'])
    await group.create(`clone-${BASE}`, MIB, ['journaler'])
    await journals.create('inflate', CLONE, '1')
    expect(await Promise.all([ORIG, BASE, CLONE].map(id => journals.has(id)))).toEqual([false, true, true])
    expect([...(await journals.ofType('inflate')).keys()]).toEqual([CLONE])
    await journals.removeTorn()
    expect(lvm.volumes.size).toBe(3)
  })

  test('tell all that they name, also inside', async () => {
    const { group, journals } = oneCall(lvm)
    await journals.create('clone', ORIG, PAIR)
    expect(await journals.concerned()).toEqual({ uuids: new Set([ORIG, BASE, CLONE]), isComplete: true })
    expect(await journals.concerned(['leaf'])).toEqual({ uuids: new Set(), isComplete: true })
    await journals.remove('clone', ORIG)
    await group.create(`jvhd_${CLONE}`, MIB, ['jvhd'])
    expect(await journals.concerned()).toEqual({ uuids: new Set([CLONE]), isComplete: true })
  })

  test('with a value that names no disk may concern any', async () => {
    const { group, journals } = oneCall(lvm)
    await journals.create('clone', ORIG, 'nothing')
    expect(await journals.concerned()).toEqual({ uuids: new Set([ORIG]), isComplete: false })
    group.forget()
    await journals.removeTorn()
    expect(lvm.volumes.size).toBe(1)
  })
})

describe('journals that never became live', () => {
  test.each([
    ['nothing', ''],
    ['blanks', ' '.repeat(512)],
    ['a length without a value', '73'],
    ['a value longer than the sector', '600 x'],
    ['text', PAIR],
  ])('hold %s, and are removed', async (_what, content) => {
    const { group, journals } = oneCall(lvm)
    await journals.create('leaf', BASE, ORIG)
    await group.create(`clone_${ORIG}_1`, MIB, ['journaler'])
    await group.create(`tmp_${CLONE}_1`, MIB, ['journaler'])
    await group.create(`revert_${CLONE}_1`, MIB, ['journaler'])
    const file = lvm.volumes.get(`clone_${ORIG}_1`)?.file ?? ''
    fs.writeFileSync(file, content, { flag: 'r+' })
    const next = oneCall(lvm)
    expect((await next.journals.ofType('clone')).get(ORIG)).toMatchObject({ value: undefined })
    lvm.takeCommands()
    await next.journals.removeTorn()
    expect(lvm.takeCommands()).toEqual(['lvremove'])
    expect([...lvm.volumes.keys()].sort()).toEqual([`leaf_${BASE}_1`, `revert_${CLONE}_1`])
    await next.journals.removeTorn()
    expect(lvm.takeCommands()).toEqual([])
  })

  test('are told from one that cannot be read, which stays and may concern any disk', async () => {
    const { group, journals } = oneCall(lvm)
    await journals.create('clone', ORIG, PAIR)
    await group.create(`clone_${BASE}_1`, MIB, ['journaler'])
    group.forget()
    await group.report()
    fs.rmSync(lvm.volumes.get(`clone_${ORIG}_1`)?.file ?? '')
    await journals.removeTorn()
    expect([...lvm.volumes.keys()]).toEqual([`clone_${ORIG}_1`])
    expect(await journals.ofType('clone')).toEqual(new Map())
    expect(await journals.concerned()).toEqual({ uuids: new Set([ORIG]), isComplete: false })
  })
})

test.each([
  ['clone', PAIR],
  ['inflate', '8388608'],
] as const)('a %s journal that is cut off anywhere is whole or was never there', async (type, value) => {
  const effects: string[] = []
  await oneCall(lvm, { effects }).journals.create(type, ORIG, value)
  for (let killBefore = 1; killBefore <= effects.length; killBefore += 1) {
    lvm = fakeGroup(10)
    await expect(
      oneCall(lvm, { killBefore }).journals.create(type, ORIG, value),
      effects[killBefore - 1],
    ).rejects.toThrow()
    const { journals } = oneCall(lvm)
    await journals.removeTorn()
    const found = (await journals.ofType(type)).get(ORIG)
    expect(found?.value, effects[killBefore - 1]).toBeOneOf([undefined, value])
    expect(lvm.volumes.size, effects[killBefore - 1]).toBe(found === undefined ? 0 : 1)
  }
})

/** Volumes cannot be opened for writing. */
class BrokenFiles extends RootedFiles {
  override openWrite(): Promise<never> {
    return Promise.reject(errnoError('EIO', 'broken'))
  }
}

test('a journal that cannot be written leaves nothing (54)', async () => {
  const system = lvm.system()
  const { journals } = oneCall(lvm, { system: { ...system, files: new BrokenFiles(system.effects, lvm.root) } })
  await expect(journals.create('clone', ORIG, PAIR)).rejects.toMatchObject({ code: 54 })
  expect(lvm.volumes.size).toBe(0)
})
