import * as fs from 'node:fs'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Run } from '../../../lib/os/run.ts'
import { LvmError } from '../../../lib/lvm/LvmError.ts'
import { VolumeGroup } from '../../../lib/lvm/VolumeGroup.ts'
import type { FakeLvm } from '../../support/FakeLvm.ts'
import { fakeGroup, MIB, oneCall, SR } from './support.ts'

let lvm: FakeLvm

beforeEach(() => {
  lvm = fakeGroup(10)
})

describe('what is known of a volume group', () => {
  test('comes from one report, however much is asked and changed', async () => {
    const { group } = oneCall(lvm)
    expect(await group.report()).toMatchObject({ size: 40 * MIB, free: 40 * MIB, extentSize: 4 * MIB })
    await group.create('VHD-a', 5 * MIB, ['x', 'y'])
    await group.create('VHD-b', 4 * MIB)
    await group.resize('VHD-b', 16 * MIB)
    await group.rename('VHD-a', 'VHD-c')
    await group.setWritable('VHD-c', false)
    await group.setTag('VHD-c', 'hidden', true)
    await group.setTag('VHD-c', 'x', false)
    await group.remove('VHD-b')
    await group.deactivate(['VHD-c'])
    const known = await group.report()
    expect(lvm.takeCommands()).toEqual([
      ...['lvm', 'lvcreate', 'lvcreate', 'lvresize', 'lvrename', 'lvchange', 'lvchange', 'lvchange', 'lvremove'],
      'lvchange',
    ])
    const remembered = known.volumes.get('VHD-c')
    expect(remembered).toEqual({
      segments: undefined,
      ...{ name: 'VHD-c', size: 8 * MIB, tags: ['y', 'hidden'] },
      ...{ writable: false, active: false, open: false },
    })
    group.forget()
    const fresh = await group.report()
    expect(fresh).toMatchObject({ free: known.free, size: known.size })
    expect(fresh.volumes.get('VHD-c')).toEqual({
      ...remembered,
      segments: [expect.objectContaining({ length: 8 * MIB })],
    })
    expect([...fresh.volumes.keys()]).toEqual([...known.volumes.keys()])
  })

  test('is asked anew after a command failed: it may have done a part', async () => {
    const { group } = oneCall(lvm)
    for (const name of ['LV-a', 'LV-b']) await group.create(name, MIB)
    await group.report()
    lvm.held.add('LV-b')
    await expect(group.deactivate(['LV-a', 'LV-b'])).rejects.toMatchObject({ reason: 'inUse', exitCode: 5 })
    expect(await group.volume('LV-a')).toMatchObject({ active: false })
    expect(await group.volume('LV-b')).toMatchObject({ open: true })
  })

  test('costs nothing where nothing would change', async () => {
    const { group } = oneCall(lvm)
    await group.create('LV-a', 4 * MIB, ['hidden'])
    lvm.takeCommands()
    await group.resize('LV-a', 3 * MIB)
    await group.setWritable('LV-a', true)
    await group.setTag('LV-a', 'hidden', true)
    await group.activate(['LV-a'])
    await group.deactivate(['LV-a'])
    await group.deactivate(['LV-a', 'LV-gone'])
    expect(lvm.takeCommands()).toEqual(['lvm', 'lvchange'])
  })

  test('says that there is no such group (47) or volume (46)', async () => {
    const { group } = oneCall(lvm)
    const other = new VolumeGroup(group.lvm, 'VG_XenStorage-other')
    expect(await other.exists()).toBe(false)
    await expect(other.report()).rejects.toMatchObject({ code: 47 })
    expect(await group.exists()).toBe(true)
    expect(await group.volume('VHD-a')).toBeUndefined()
    await expect(group.require('VHD-a')).rejects.toMatchObject({ code: 46 })
  })
})

describe('activation', () => {
  test('does not take for its own what another volume left mapped under the name', async () => {
    const { group } = oneCall(lvm)
    for (const name of ['VHD-a', 'VHD-b']) await group.create(name, MIB)
    await group.deactivate(['VHD-a'])
    // As a host has it that could not be told of a rename: the name leads to other extents.
    const other = lvm.volumes.get('VHD-b')?.file ?? ''
    for (const place of [lvm.node('VHD-a'), lvm.link('VHD-a')]) fs.symlinkSync(other, place)
    const next = oneCall(lvm)
    await next.group.activate(['VHD-a'])
    expect(fs.realpathSync(lvm.link('VHD-a'))).toBe(lvm.volumes.get('VHD-a')?.file)
    expect(next.warnings).toContainEqual(expect.stringContaining('was left behind'))
  })

  test('maps many volumes by one process, and refreshes what was mapped before the call', async () => {
    const before = oneCall(lvm).group
    for (const name of ['VHD-a', 'VHD-b', 'VHD-c']) await before.create(name, MIB)
    await before.deactivate(['VHD-b', 'VHD-c'])
    lvm.commands.splice(0)
    const { group } = oneCall(lvm)
    await group.activate(['VHD-a', 'VHD-b', 'VHD-c'])
    const changes = lvm.commands.filter(([program]) => program !== 'lvm').map(words => words.slice(1, -2).join(' '))
    const [a, b, c] = ['VHD-a', 'VHD-b', 'VHD-c'].map(name => group.path(name))
    expect(changes).toEqual([`-ay ${b} ${c}`, `--refresh ${a}`])
    await group.activate(['VHD-a', 'VHD-b'])
    await group.deactivate(['VHD-a', 'VHD-b', 'VHD-c'])
    expect(lvm.commands.at(-1)?.slice(1, -2)).toEqual(['-an', a, b, c])
    expect(fs.readdirSync(`${lvm.root}/dev/mapper`)).toEqual([])
  })

  test('makes the link that udev forgot, and fails (46) where there is no mapping', async () => {
    const before = oneCall(lvm)
    await before.group.create('LV-a', MIB)
    await before.group.deactivate(['LV-a'])
    const without = (...places: string[]) => {
      const system = lvm.system()
      const run: Run = async (...args) => {
        const result = await system.run(...args)
        for (const place of places) fs.rmSync(place, { force: true })
        return result
      }
      return oneCall(lvm, { system: { ...system, run } }).group
    }
    await expect(without(lvm.link('LV-a'), lvm.node('LV-a')).activate(['LV-a'])).rejects.toMatchObject({ code: 46 })
    await without(lvm.link('LV-a')).activate(['LV-a'])
    expect(fs.existsSync(lvm.link('LV-a'))).toBe(true)
  })
})

describe('a failing LVM', () => {
  test('tells its exit code, what it said, and why', async () => {
    const { group } = oneCall(lvm)
    await group.create('LV-a', MIB)
    const failed = async (work: Promise<void>) => {
      const error = await work.then(
        () => undefined,
        (reason: unknown) => reason,
      )
      expect(error).toBeInstanceOf(LvmError)
      return error as LvmError
    }
    const full = await failed(group.create('LV-b', 400 * MIB))
    expect(full).toMatchObject({ reason: 'noSpace', exitCode: 5 })
    expect(full.stderr).toContain('insufficient free space')
    expect(await failed(group.resize('LV-a', 400 * MIB))).toMatchObject({ reason: 'noSpace' })
    expect(await failed(group.create('LV-a', MIB))).toMatchObject({ reason: 'exists' })
    expect(await failed(group.rename('LV-none', 'LV-b'))).toMatchObject({ reason: 'missing' })
    expect(await failed(group.remove('LV-none'))).toMatchObject({ reason: 'missing' })
    expect([...lvm.volumes.keys()]).toEqual(['LV-a'])
  })

  test('is asked twice for a volume that is open, since LVM itself waits', async () => {
    const { group } = oneCall(lvm)
    await group.create('LV-a', MIB)
    lvm.held.add('LV-a')
    lvm.takeCommands()
    await expect(group.deactivate(['LV-a'])).rejects.toMatchObject({ reason: 'inUse' })
    await expect(group.remove('LV-a')).rejects.toMatchObject({ reason: 'inUse' })
    expect(lvm.takeCommands()).toEqual(['lvm', 'lvchange', 'lvchange', 'lvremove', 'lvm', 'lvremove'])
    lvm.held.clear()
    await group.remove('LV-a')
    expect(lvm.volumes.size).toBe(0)
  })

  test.each(['-x', 'a b', '../MGT', ''])('is never given the name %j', async name => {
    const { group } = oneCall(lvm)
    await expect(group.create(name, MIB)).rejects.toMatchObject({ code: 100 })
    await expect(group.activate([name])).rejects.toMatchObject({ code: 100 })
    expect(lvm.takeCommands().filter(word => word !== 'lvm')).toEqual([])
  })
})

test('a permission is changed while data paths may not start', async () => {
  const effects: string[] = []
  const { group } = oneCall(lvm, { effects })
  await group.create('VHD-a', MIB)
  effects.length = 0
  await group.setWritable('VHD-a', false)
  const lock = `${lvm.root}/var/lock/sm/lvm-${SR}/lvchange-p`
  expect(effects.map(effect => effect.replace(/lvchange .* -p r .*/, 'lvchange'))).toEqual([
    `lock lock ${lock}`,
    'process lvchange',
    `lock unlock ${lock}`,
  ])
  expect(lvm.volumes.get('VHD-a')?.writable).toBe(false)
})
