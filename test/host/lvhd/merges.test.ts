import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { VolumeJournals } from '../../../lib/journal/VolumeJournals.ts'
import { vhdVolume } from '../../../lib/lvhd/names.ts'
import { coalesce } from '../../../lib/vhd/coalesce.ts'
import { EmbeddedVhdUtil } from '../../../lib/vhd/EmbeddedVhdUtil.ts'
import { expectConsistent, survivesKills } from '../../crash/harness.ts'
import type { Disk } from '../../support/World.ts'
import type { LvmWorld } from '../../support/LvmWorld.ts'
import { openBox, type Box } from '../../support/lvhdBox.ts'

const LONG = 300_000

let box: Box
let world: LvmWorld
let disk: Disk
let content: { sha256: string; size: number }

const allocations = ['thick', 'thin'] as const

async function open(allocation: (typeof allocations)[number]): Promise<void> {
  box = await openBox({ allocation })
  world = box.world
  disk = await world.createVdi('disk', 16)
  await world.write(disk, 1, 0, 4)
}
afterEach(async () => {
  await world.close()
})

const names = async () => [...(await world.volumes()).keys()]

describe.each(allocations)('a merge of a leaf into its parent that stopped, %s', allocation => {
  let parent: string
  beforeEach(async () => {
    await open(allocation)
    const snapshot = await world.snapshot(disk)
    await world.write(disk, 2, 2, 4)
    await world.call('VDI.destroy', snapshot.ref)
    await world.scan()
    content = await world.content(disk.uuid)
    parent = (await world.record(disk)).sm_config['vhd-parent'] ?? ''
    expect(parent).not.toBe('')
  })

  /** As the collector does it up to a step (spec gc 9.4). */
  async function mergeUpTo(step: 'journal' | 'copied' | 'leaf renamed' | 'both renamed' | 'done'): Promise<void> {
    const { group } = world
    const system = box.lvm.system()
    await new VolumeJournals(group).create('leaf', disk.uuid, parent)
    if (step === 'journal') return
    const [leaf, base, old] = [vhdVolume(disk.uuid), vhdVolume(parent), vhdVolume(`OLD_${disk.uuid}`)]
    const { size } = await group.require(leaf)
    await group.setWritable(base, true)
    await group.activate([leaf, base])
    const tool = new EmbeddedVhdUtil(system)
    await group.resize(base, Math.max(size, 40 * 1024 * 1024))
    await tool.setPhysicalSize(group.path(base), (await group.require(base)).size)
    await tool.setHidden(group.path(base), false)
    await coalesce(system.files, group.path(leaf), { group: group.name })
    if (step !== 'copied') await group.rename(leaf, old)
    if (step === 'both renamed' || step === 'done') await group.rename(base, leaf)
    if (step === 'done') await group.remove(old)
    await group.deactivate((await names()).filter(name => name.startsWith('VHD-')))
  }

  test.each(['journal', 'copied', 'leaf renamed', 'both renamed'] as const)(
    'at "%s" is taken back: the leaf is a leaf again with its content',
    async step => {
      await mergeUpTo(step)
      expect((await world.fault('vdi_activate', disk, { args: ['true'] })).code).toBe(46)
      await world.scan()
      expect(await world.content(disk.uuid)).toEqual(content)
      expect((await world.record(disk)).sm_config['vhd-parent']).toBe(parent)
      expect((await world.volumes()).get(vhdVolume(parent))).toMatchObject({ writable: false })
      await expectConsistent(world, step)
    },
  )

  test('that was done but for its journal leaves the merged disk', async () => {
    await mergeUpTo('done')
    await world.scan()
    expect(await world.content(disk.uuid)).toEqual(content)
    expect((await world.record(disk)).sm_config).not.toHaveProperty('vhd-parent')
    expect([...(await world.records()).values()].map(record => record.uuid)).toEqual([disk.uuid])
    expect([...(await world.metadata()).keys()]).toEqual([disk.uuid])
    await expectConsistent(world, 'done')
  })

  test.each(['leaf renamed', 'both renamed'] as const)(
    'at "%s" is settled, wherever that is cut off',
    { timeout: LONG },
    async step => {
      await mergeUpTo(step)
      await world.save()
      const allowed = new Map([[disk.uuid, [content]]])
      const act = () => world.scan()
      const scenario = { world, act, allowed, disks: [1, 1] as const, closedUntilRecovered: [disk.uuid] }
      expect(await survivesKills({ ...scenario, sample: { step: 4, offset: 1 } })).toBeGreaterThan(3)
    },
  )
})

describe('vdi_compose', () => {
  let parent: Disk
  let child: Disk
  beforeEach(async () => {
    await open('thin')
    parent = disk
    const snapshot = await world.snapshot(parent)
    await world.write(parent, 3, 8, 2)
    // The child is a difference to something else: migration brings it so.
    child = await world.clone(snapshot)
    await world.write(child, 5, 12, 2)
    await world.call('VDI.destroy', snapshot.ref)
    await world.scan()
  })

  test('puts a disk on another one, which is no disk of its own any more', async () => {
    const [before, below] = [await world.content(child.uuid), await world.content(parent.uuid)]
    await world.plugin('vdi_compose', child, { args: [parent.ref] })
    expect((await world.record(parent)).managed).toBe(false)
    await world.scan()
    expect((await world.record(child)).sm_config['vhd-parent']).toBe(parent.uuid)
    const after = await world.content(child.uuid)
    expect(after.size).toBe(before.size)
    expect([before.sha256, below.sha256]).not.toContain(after.sha256)
    await expectConsistent(world, 'composed')
  })

  test('leaves the disk on its old parent or on the new one, wherever it is cut off', { timeout: LONG }, async () => {
    await world.save()
    const act = async () => {
      const answer = await world.plugin('vdi_compose', child, { args: [parent.ref] })
      expect(answer).not.toContain('<fault>')
    }
    const before = await world.content(child.uuid)
    await act()
    const after = await world.content(child.uuid)
    for (let index = 1; ; index += 3) {
      await world.restore()
      world.pluginEnv['SM_FIST'] = `effect:${index}`
      const answer = await world.plugin('vdi_compose', child, { args: [parent.ref] })
      delete world.pluginEnv['SM_FIST']
      if (answer !== '') break
      expect([before, after]).toContainEqual(await world.content(child.uuid))
      await world.scan()
      expect([before, after]).toContainEqual(await world.content(child.uuid))
      // Whoever called repeats it.
      await act()
      expect(await world.content(child.uuid)).toEqual(after)
    }
  })

  test.each([
    ['a raw disk (38)', 38, () => world.createVdi('raw', 16, { type: 'raw' })],
    ['a larger disk (1)', 1, () => world.createVdi('larger', 32)],
    ['itself (1)', 1, () => Promise.resolve(child)],
  ])('refuses %s as parent', async (_what, code, make) => {
    const refused = await make()
    expect((await world.fault('vdi_compose', child, { args: [refused.ref] })).code).toBe(code)
  })

  test('refuses a parent with an interrupted operation (46)', async () => {
    await world.group.create(`strange_${parent.uuid}_1`, 4 * 1024 * 1024, ['journaler'])
    expect((await world.fault('vdi_compose', child, { args: [parent.ref] })).code).toBe(46)
  })
})
