import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { answerOnSlave } from '../../../drivers/onSlave.ts'
import { tellHosts, type SlaveAction } from '../../../drivers/lvhd/slaves.ts'
import type { Context } from '../../../drivers/Context.ts'
import { decodeMethodResponse, encodeMethodCall } from '../../../lib/smapi/xmlrpc.ts'
import { XapiError } from '../../../lib/xapi/XapiClient.ts'
import { vhdVolume } from '../../../lib/lvhd/names.ts'
import type { Disk } from '../../support/World.ts'
import { openBox, type Box } from '../../support/lvhdBox.ts'

describe('what a master tells other hosts', () => {
  const scope = { srUuid: 'sr', vgName: 'VG_XenStorage-sr' }
  const actions: SlaveAction[] = [
    { action: 'deactivateNoRefcount', lvName: 'VHD-a' },
    { action: 'cleanupLockAndRefcount', uuid: 'a' },
  ]

  /** A pool whose hosts `failing` refuse; of them those in `down` are not there. */
  function pool(failing: readonly string[] = [], down: readonly string[] = []) {
    const calls: unknown[] = []
    const xapi = {
      hostCallPlugin: (host: string, ...call: unknown[]) => {
        calls.push([host, ...call])
        return failing.includes(host) ? Promise.reject(new XapiError('HOST_OFFLINE', [host])) : Promise.resolve('True')
      },
      hostGetRecord: (host: string) => Promise.resolve({ metrics: host }),
      hostIsLive: (metrics: string) => Promise.resolve(!down.includes(metrics)),
    }
    const log = { warn: () => undefined }
    return { calls, context: { xapi, log } as unknown as Context }
  }

  test('has the names and numbers that the reference uses', async () => {
    const { calls, context } = pool()
    await tellHosts(context, scope, ['host-1'], actions)
    const args = {
      vgName: scope.vgName,
      action1: 'deactivateNoRefcount',
      lvName1: 'VHD-a',
      action2: 'cleanupLockAndRefcount',
      uuid2: 'a',
      ns2: 'lvm-sr',
    }
    expect(calls).toEqual([['host-1', 'on-slave', 'multi', args]])
  })

  test('is not needed by a host that is down, and must reach one that is up', async () => {
    const dead = pool(['host-1'], ['host-1'])
    await tellHosts(dead.context, scope, ['host-1', 'host-2'], actions)
    expect(dead.calls).toHaveLength(2)
    const alive = pool(['host-1'])
    await expect(tellHosts(alive.context, scope, ['host-1', 'host-2'], actions)).rejects.toThrow('HOST_OFFLINE')
    expect(alive.calls).toHaveLength(1)
  })
})

describe('the plugin on-slave', () => {
  let box: Box
  let disk: Disk
  let environment: NodeJS.ProcessEnv
  beforeEach(async () => {
    box = await openBox()
    disk = await box.world.createVdi('disk', 4)
    environment = { ...process.env }
    Object.assign(process.env, { SM_ROOT: box.world.paths.root, SM_XAPI_URL: box.world.url, SM_LOG: 'none' })
  })
  afterEach(async () => {
    process.env = environment
    await box.world.close()
  })

  async function call(name: string, args: Record<string, string>): Promise<unknown> {
    const answer = decodeMethodResponse(
      await answerOnSlave(encodeMethodCall(name, ['OpaqueRef:s', args]), box.lvm.system()),
    )
    return 'value' in answer ? answer.value : answer.fault
  }
  const multi = (args: Record<string, string>) =>
    call('multi', { vgName: `VG_XenStorage-${box.world.srUuid}`, ...args })
  const isActive = async () => (await box.world.volumes()).get(vhdVolume(disk.uuid))?.active

  test('counts who holds a volume active', async () => {
    const of = (action: string) => ({
      action1: action,
      lvName1: vhdVolume(disk.uuid),
      uuid1: disk.uuid,
      ns1: `lvm-${box.world.srUuid}`,
    })
    for (const [action, active] of [
      ['activate', true],
      ['activate', true],
      ['deactivate', true],
      ['deactivate', false],
    ] as const) {
      expect(await multi(of(action))).toBe('True')
      expect(await isActive(), action).toBe(active)
    }
  })

  test('carries out several actions in their order, and without counting', async () => {
    const lvName = vhdVolume(disk.uuid)
    expect(await multi({ action1: 'refresh', lvName1: lvName })).toBe('True')
    expect(await isActive()).toBe(true)
    const reset = { action2: 'cleanupLockAndRefcount', uuid2: disk.uuid, ns2: `lvm-${box.world.srUuid}` }
    expect(await multi({ action1: 'deactivateNoRefcount', lvName1: lvName, ...reset })).toBe('True')
    expect(await isActive()).toBe(false)
  })

  describe('where LVM fails', () => {
    const of = (action: string) => ({
      action1: action,
      lvName1: vhdVolume(disk.uuid),
      uuid1: disk.uuid,
      ns1: `lvm-${box.world.srUuid}`,
    })

    test('counts no activation', async () => {
      const volume = box.lvm.fake.volumes.get(vhdVolume(disk.uuid))
      if (volume === undefined) throw new Error('there is no volume')
      box.lvm.fake.volumes.delete(vhdVolume(disk.uuid))
      expect(await multi(of('activate'))).toMatchObject({ Status: 'Failure' })
      box.lvm.fake.volumes.set(vhdVolume(disk.uuid), volume)
      expect(await multi(of('activate'))).toBe('True')
      expect(await isActive()).toBe(true)
      expect(await multi(of('deactivate'))).toBe('True')
      expect(await isActive()).toBe(false)
    })

    test('leaves a volume that somebody has open mapped and uncounted', async () => {
      await multi(of('activate'))
      box.lvm.fake.held.add(vhdVolume(disk.uuid))
      expect(await multi(of('deactivate'))).toBe('True')
      box.lvm.fake.held.clear()
      expect(await isActive()).toBe(true)
      expect(await multi(of('activate'))).toBe('True')
      expect(await multi(of('deactivate'))).toBe('True')
      expect(await isActive()).toBe(false)
    })
  })

  test.each([
    ['an unknown action', { action1: 'format', lvName1: 'x' }],
    ['a group that is no SR’s', { vgName: 'root', action1: 'refresh', lvName1: 'x' }],
    ['the namespace of another SR', { action1: 'activate', lvName1: 'VHD-x', uuid1: 'x', ns1: 'lvm-other' }],
    ['what is no name of a volume', { action1: 'deactivateNoRefcount', lvName1: '../sda' }],
  ])('refuses %s', async (_what, args: Record<string, string>) => {
    expect(await multi(args)).toMatchObject({ Status: 'Failure' })
    expect(await isActive()).toBe(false)
  })
})

test('the plugin on-slave has LVM look at the one path to the LUN that the driver uses', async () => {
  const { world, lvm } = await openBox({ onLun: true, hostPluginDir: 'bin' })
  try {
    const disk = await world.createVdi('disk', 4)
    lvm.fake.takeCommands()
    const args = { vgName: `VG_XenStorage-${world.srUuid}`, action1: 'refresh', lvName1: vhdVolume(disk.uuid) }
    expect(await world.call('host.call_plugin', await world.host(), 'on-slave', 'multi', args)).toBe('True')
    const ran = lvm.fake.commands.filter(([program]) => program !== 'dmsetup')
    expect(ran.length).toBeGreaterThan(0)
    for (const words of ran) expect(words.join(' ')).toMatch(/filter=\["a\|\^\S*\/by-id\/scsi-\w+\$\|",.*"r\|\.\*\|"\]/)
  } finally {
    await world.close()
  }
})
