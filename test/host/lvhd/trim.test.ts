import * as fs from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { LockManager } from '../../../lib/lock/Lock.ts'
import { decodeMethodResponse } from '../../../lib/smapi/xmlrpc.ts'
import { MIB } from '../../support/World.ts'
import type { LvmWorld } from '../../support/LvmWorld.ts'
import { openBox, type Box } from '../../support/lvhdBox.ts'

let box: Box
let world: LvmWorld

beforeEach(async () => {
  box = await openBox({ hostPluginDir: 'bin' })
  world = box.world
})
afterEach(async () => {
  vi.restoreAllMocks()
  await world.close()
})

const trim = async (srUuid = world.srUuid) =>
  String(await world.call('host.call_plugin', await world.host(), 'trim', 'do_trim', { sr_uuid: srUuid }))
const trimVolumes = () => [...box.lvm.fake.volumes.keys()].filter(name => name.endsWith('_trim_lv'))
const lastTriggered = async () => (await world.xapi.srGetOtherConfig(world.srRef))['trim_last_triggered']

describe('the plugin trim', () => {
  test('discards what is free, all of it, and nothing else', async () => {
    const disk = await world.createVdi('disk', 8)
    await world.write(disk, 1, 0, 2)
    const [content, { free }] = [await world.content(disk.uuid), await world.group.report()]
    box.lvm.fake.takeCommands()
    expect(await trim()).toBe('True')
    expect(box.lvm.fake.takeCommands()).toEqual(['lvm', 'lvcreate', '/usr/sbin/blkdiscard', 'lvremove'])
    expect(box.lvm.fake.discarded).toEqual([free])
    expect((await world.group.report()).free).toBe(free)
    expect(await world.content(disk.uuid)).toEqual(content)
    expect(Number(await lastTriggered())).toBeGreaterThan(1_600_000_000)
  })

  test('removes what an earlier one left, as every other command does', async () => {
    for (const act of [() => trim(), () => world.scan()]) {
      await world.group.createOverFreeSpace(`${world.srUuid}_trim_lv`)
      expect((await world.group.report()).free).toBe(0)
      await act()
      expect(trimVolumes()).toEqual([])
    }
  })

  test.each([
    ['blkdiscard: BLKDISCARD ioctl failed: Operation not supported', /^True$/],
    ['blkdiscard: cannot open', /<key>errcode<\/key>\s*<value>TrimException<\/value>/],
  ])('leaves no volume where discarding fails: %s', async (reason, answer) => {
    box.lvm.fake.discardFails = reason
    expect(await trim()).toMatch(answer)
    expect(trimVolumes()).toEqual([])
  })

  test('says why it does nothing: a full SR', async () => {
    const { free } = await world.group.report()
    await world.group.create('filler', free)
    expect(await trim()).toMatch(/^<\?xml[^]*<trim_response>[^]*Trim failed on full SR/)
  })

  test('says why it does nothing: the SR is busy', async () => {
    const wait = globalThis.setTimeout
    const quick = (callback: () => void, ms?: number) => wait(callback, ms === 1000 ? 1 : ms)
    vi.spyOn(globalThis, 'setTimeout').mockImplementation(quick)
    const lock = await new LockManager(world.paths, box.lvm.system().effects).lock(world.srUuid, 'sr')
    expect(await trim()).toContain('<value>SRUnavailable</value>')
    await lock.release()
    expect(await lastTriggered()).toBeUndefined()
  })

  test('says why it does nothing: there is no such SR', async () => {
    expect(await trim('00000000-0000-4000-8000-000000000001')).toContain('<value>UnknownTrimException</value>')
    expect(await trim('../x')).toContain('<value>UnknownTrimException</value>')
  })
})

describe('sr_probe', () => {
  const probe = async (metadata: string) => {
    const members = { sr_sm_config: { metadata } }
    const answer = decodeMethodResponse(await world.plugin('sr_probe', undefined, members))
    if ('value' in answer && typeof answer.value === 'string') return answer.value
    throw new Error(`sr_probe answers ${JSON.stringify(answer)}`)
  }

  test('tells of the SR what its metadata volume says, where that is asked for', async () => {
    await world.call('SR.set_name_label', world.srRef, 'my <SR>')
    await world.plugin('sr_update', undefined)
    const size = (await world.group.report()).size
    const known = `<UUID>${world.srUuid}</UUID>\n\t\t<Devlist>/dev/loop9</Devlist>\n\t\t<size>${size}</size>`
    expect(await probe('false')).toContain(`${known}\n\t</SR>`)
    const described = await probe('true')
    expect(described).toContain(`${known}\n\t\t<name_label>my &lt;SR&gt;</name_label>`)
    expect(described).toContain('<pool_metadata_detected>false</pool_metadata_detected>')
    expect((await world.volumes()).get('MGT')?.size).toBe(4 * MIB)
  })

  test('finds the copy of a pool’s database', async () => {
    const disk = await world.createVdi('database', 8)
    await world.editMetadata(disk.uuid, { type: 'metadata' })
    expect(await probe('true')).toContain('<pool_metadata_detected>true</pool_metadata_detected>')
  })

  test('finds an SR whose metadata volume is damaged', async () => {
    await fs.writeFile(box.lvm.fake.volumes.get('MGT')?.file ?? '', Buffer.alloc(4096, 'x'), { flag: 'r+' })
    expect(await probe('true')).toContain(`<UUID>${world.srUuid}</UUID>`)
  })
})
