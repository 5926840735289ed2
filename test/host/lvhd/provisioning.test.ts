import * as fs from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { HeldUpError } from '../../../drivers/datapath/ActivatableVdi.ts'
import { activateVdi } from '../../../drivers/datapath/activateVdi.ts'
import { closeVolumes, openVolumes } from '../../../drivers/lvhd/activation.ts'
import { nbdLink } from '../../../lib/datapath/links.ts'
import { LockManager } from '../../../lib/lock/Lock.ts'
import { vhdVolume } from '../../../lib/lvhd/names.ts'
import { SmError } from '../../../lib/smapi/SmError.ts'
import { MIB, type Disk } from '../../support/World.ts'
import type { LvmWorld } from '../../support/LvmWorld.ts'
import { openBox, type Box } from '../../support/lvhdBox.ts'

const SLAVE = { SRmaster: 'false' }
const FULL = 24 * MIB
const EMPTY = 8 * MIB

let box: Box
let world: LvmWorld
let disk: Disk
let server: Server | undefined

beforeEach(async () => {
  box = await openBox({ allocation: 'thin', hostPluginDir: 'bin' })
  world = box.world
  disk = await world.createVdi('disk', 16)
})
afterEach(async () => {
  vi.restoreAllMocks()
  await new Promise<void>(resolve => {
    if (server === undefined) resolve()
    else
      server.close(() => {
        resolve()
      })
  })
  server = undefined
  await world.close()
})

const sizeOf = async ({ uuid }: Disk) => (await world.volumes()).get(vhdVolume(uuid))?.size
const open = (config: Record<string, string>) =>
  world.withSr('vdi_activate', disk, sr => openVolumes(sr.vdi(disk.uuid), { writable: true }), config)
const close = (config: Record<string, string>) =>
  world.withSr('vdi_deactivate', disk, sr => closeVolumes(sr.vdi(disk.uuid)), config)
const references = async (uuid: string) => {
  const file = path.join(world.paths.runtime, 'refcount', `lvm-${world.srUuid}`, uuid)
  return fs.readFile(file, 'utf8').catch(() => 'none')
}

describe.each([
  ['the master', {}],
  ['a slave, by the master', SLAVE],
])('a thin disk that is written to on %s', (_where, config) => {
  test('has its full size meanwhile, and what it needs afterwards', async () => {
    await open(config)
    expect(await sizeOf(disk)).toBe(FULL)
    expect(await references(disk.uuid)).toBe('0 1\n')
    await close(config)
    expect(await sizeOf(disk)).toBe(EMPTY)
    expect((await world.volumes()).get(vhdVolume(disk.uuid))?.active).toBe(false)
    expect(await references(disk.uuid)).toBe('none')
  })

  test('is not opened where there is no room for it (180), and stays as it is', async () => {
    const { free } = await world.group.report()
    await world.group.create('filler', free - 16 * MIB)
    await expect(open(config)).rejects.toMatchObject({ code: 180 })
    expect(await sizeOf(disk)).toBe(EMPTY)
    expect([...box.lvm.fake.volumes.keys()].filter(name => name.startsWith('inflate_'))).toEqual([])
  })

  test('is worth another try where the SR stays busy, and keeps its room then', async () => {
    const locks = new LockManager(world.paths, box.lvm.system().effects)
    const held = await locks.lock(world.srUuid, 'sr')
    hurry()
    await expect(open(config)).rejects.toMatchObject({ name: 'HeldUpError', code: 46 })
    expect(await sizeOf(disk)).toBe(EMPTY)
    await held.release()
    await open(config)
    const again = await locks.lock(world.srUuid, 'sr')
    await close(config)
    expect(await sizeOf(disk)).toBe(FULL)
    expect(await references(disk.uuid)).toBe('none')
    await again.release()
  })
})

test('a disk that another host has open is not cut when the master closes it', async () => {
  await open({})
  // A host that cannot be asked may have it open.
  await world.call('VDI.add_to_sm_config', disk.ref, 'host_OpaqueRef:another', 'RO')
  await close({})
  expect(await sizeOf(disk)).toBe(FULL)
  expect(await references(disk.uuid)).toBe('none')
})

test('nor one that was opened elsewhere while the master waited for the SR', async () => {
  await open({})
  const held = await new LockManager(world.paths, box.lvm.system().effects).lock(world.srUuid, 'sr')
  const host = await world.host()
  const asked = world.call('host.call_plugin', host, 'lvhd-thin', 'detach', {
    srUuid: world.srUuid,
    vdiUuid: disk.uuid,
  })
  const refusal = asked.catch((error: unknown) => String(error))
  await world.call('VDI.add_to_sm_config', disk.ref, 'host_OpaqueRef:another', 'RW')
  await held.release()
  expect(await refusal).toContain('is active on')
  expect(await sizeOf(disk)).toBe(FULL)
})

/** Something that says that it serves the disk, as what outlives the toolstack does. */
async function serve(): Promise<void> {
  const runtime = path.join(world.paths.runtime, 'datapath')
  await fs.mkdir(runtime, { recursive: true })
  server = createServer(socket => {
    socket.on('data', () => socket.end('{"ok":true,"path":"x","state":"running","clients":1}\n'))
  })
  await new Promise<void>(resolve => server?.listen(path.join(runtime, `${disk.uuid}.ctl`), resolve))
  const link = nbdLink(world.paths, world.srUuid, disk.uuid)
  await fs.mkdir(path.dirname(link), { recursive: true })
  await fs.symlink(path.join(runtime, `${disk.uuid}.sock`), link)
}

/** Waits of a second, between attempts, end at once. */
function hurry(): void {
  const wait = globalThis.setTimeout
  const quick = (callback: () => void, ms?: number) => wait(callback, ms === 1000 ? 1 : ms)
  vi.spyOn(globalThis, 'setTimeout').mockImplementation(quick)
}

describe('an activation whose SR is busy', () => {
  /** Of a disk whose image cannot be opened at first; then `outcome` is what opening it comes to. */
  async function activate(heldUp: number, outcome: Error): Promise<number> {
    let attempts = 0
    const attachImage = () => {
      attempts += 1
      return Promise.reject(attempts > heldUp ? outcome : new HeldUpError('the SR is busy'))
    }
    const detachImage = () => Promise.resolve()
    await world.withSr('vdi_activate', disk, async sr => {
      const vdi = { uuid: disk.uuid, sr, attachImage, detachImage }
      await expect(activateVdi(vdi, { writable: true, direct: true })).rejects.toBe(outcome)
    })
    return attempts
  }

  test('lets others have the disk in between, tries again, and leaves no word of it', async () => {
    hurry()
    expect(await activate(3, new SmError('LVMProvisionAttach'))).toBe(4)
    const keys = Object.keys((await world.record(disk)).sm_config)
    expect(keys.filter(key => key.startsWith('host_') || key === 'activating')).toEqual([])
  })

  test('ends as one of a disk that others hold back (46)', async () => {
    hurry()
    const attachImage = () => Promise.reject(new HeldUpError('the SR is busy'))
    const detachImage = () => Promise.resolve()
    await world.withSr('vdi_activate', disk, async sr => {
      const activation = activateVdi(
        { uuid: disk.uuid, sr, attachImage, detachImage },
        { writable: true, direct: true },
      )
      await expect(activation).rejects.toMatchObject({ code: 46, detail: `VDI ${disk.uuid} locked` })
    })
  })
})

describe('the plugin lvhd-thin', () => {
  const ask = (fn: string, args: Record<string, string>) => world.host().then(host => call(host, fn, args))
  const call = (host: string, fn: string, args: Record<string, string>) =>
    world.call('host.call_plugin', host, 'lvhd-thin', fn, { srUuid: world.srUuid, vdiUuid: disk.uuid, ...args })

  test('changes nothing where there is nothing to do', async () => {
    expect(await ask('detach', {})).toBe('True')
    expect(await ask('attach', {})).toBe('True')
    expect(await sizeOf(disk)).toBe(FULL)
    expect(await ask('attach', {})).toBe('True')
    expect(await ask('detach', {})).toBe('True')
    expect(await sizeOf(disk)).toBe(EMPTY)
    expect((await world.volumes()).get(vhdVolume(disk.uuid))?.active).toBe(false)
  })

  test('does not cut a disk that a host has open', async () => {
    await ask('attach', {})
    await serve()
    await world.call('VDI.add_to_sm_config', disk.ref, `host_${await world.host()}`, 'RW')
    const refusal = await ask('detach', {}).catch((error: unknown) => String(error))
    expect(refusal).toContain('is active on')
    expect(await sizeOf(disk)).toBe(FULL)
  })

  test.each([
    ['what is no uuid', { vdiUuid: '../x' }],
    ['a disk that is not there', { vdiUuid: '00000000-0000-4000-8000-000000000001' }],
    ['an SR that is not there', { srUuid: '00000000-0000-4000-8000-000000000001' }],
  ])('refuses %s', async (_what, args) => {
    await expect(ask('attach', args)).rejects.toThrow(/XENAPI_PLUGIN_FAILURE/)
  })

  test('refuses a disk with an interrupted operation', async () => {
    await world.group.create(`strange_${disk.uuid}_1`, 4 * MIB, ['journaler'])
    await expect(ask('attach', {})).rejects.toThrow(/Interrupted operation/)
    expect(await sizeOf(disk)).toBe(EMPTY)
  })
})

describe('the attach of an SR', () => {
  test('keeps the references of disks that are served, and forgets all others', async () => {
    await world.write(disk, 1, 0, 1)
    const snapshot = await world.snapshot(disk)
    const base = (await world.record(disk)).sm_config['vhd-parent'] ?? ''
    await open({})
    await world.withSr('vdi_activate', snapshot, sr => openVolumes(sr.vdi(snapshot.uuid), { writable: false }))
    expect(await references(base)).toBe('2 0\n')
    await serve()
    await world.plugin('sr_attach', undefined)
    expect(await references(disk.uuid)).toBe('0 1\n')
    expect(await references(base)).toBe('1 0\n')
    expect(await references(snapshot.uuid)).toBe('none')
    await close({})
    expect((await world.volumes()).get(vhdVolume(base))?.active).toBe(false)
  })

  test('forgets all references where nothing is served', async () => {
    await open({})
    await world.plugin('sr_attach', undefined)
    expect(await references(disk.uuid)).toBe('none')
  })
})
