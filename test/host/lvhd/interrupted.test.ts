import * as fs from 'node:fs/promises'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LockManager } from '../../../lib/lock/Lock.ts'
import { vhdVolume } from '../../../lib/lvhd/names.ts'
import { openBox, type Box } from '../../support/lvhdBox.ts'
import type { Disk } from '../../support/World.ts'
import type { LvmWorld } from '../../support/LvmWorld.ts'

let box: Box
let world: LvmWorld
let disk: Disk

beforeEach(async () => {
  box = await openBox({ allocation: 'thick' })
  world = box.world
  disk = await world.createVdi('disk', 16)
  await world.write(disk, 1, 0, 2)
})
afterEach(async () => {
  await world.close()
})

async function isPaused(): Promise<boolean> {
  return 'paused' in (await world.record(disk)).sm_config
}

async function journals(): Promise<string[]> {
  return [...(await world.volumes()).keys()].filter(name => /^(clone|leaf|inflate)_/.test(name))
}

test('a disk whose failed snapshot cannot be taken back stays paused until a recovery has done it', async () => {
  const content = await world.content(disk.uuid)
  const vhds = () => [...box.lvm.fake.volumes.keys()].filter(name => name.startsWith('VHD-'))
  // The new leaf cannot be removed while the base is beside it.
  box.lvm.fake.held.has = name => name === vhdVolume(disk.uuid) && vhds().length > 1
  await world.start('LVHDRT_clone_vdi_after_first_snap=EIO')
  await world.failure('VDI.snapshot', disk.ref)
  expect(await isPaused()).toBe(true)
  expect(await journals()).toHaveLength(1)
  box.lvm.fake.held.has = () => false
  await world.start()
  await world.scan()
  expect(await isPaused()).toBe(false)
  expect(await journals()).toEqual([])
  expect(await world.content(disk.uuid)).toEqual(content)
})

test('a disk that a guest writes to has its full size again before it is resumed after a failed snapshot', async () => {
  const volume = vhdVolume(disk.uuid)
  const { size } = box.lvm.fake.volumes.get(volume) ?? { size: 0 }
  await world.call('VDI.add_to_sm_config', disk.ref, `host_${await world.host()}`, 'RW')
  await world.start(`trace:${world.root}/trace,LVHDRT_clone_vdi_after_shrink_parent=EIO`)
  box.lvm.fake.takeCommands()
  await world.failure('VDI.snapshot', disk.ref)
  const trace = await world.takeTrace()
  const grown = trace.findLastIndex(line => line.includes('process lvresize'))
  const resumed = trace.findIndex(line => line.includes('xapi VDI.remove_from_sm_config'))
  expect(box.lvm.fake.takeCommands().filter(program => program === 'lvresize')).toHaveLength(2)
  expect(grown).toBeGreaterThan(-1)
  expect(resumed).toBeGreaterThan(grown)
  expect(box.lvm.fake.volumes.get(volume)?.size).toBe(size)
  expect(await isPaused()).toBe(false)
  expect(await journals()).toEqual([])
})

test('a disk that another host left paused in a snapshot is resumed by the recovery', async () => {
  const content = await world.content(disk.uuid)
  await world.start('LVHDRT_clone_vdi_after_first_snap')
  await world.failure('VDI.snapshot', disk.ref)
  // The note of the pause is with the host that died.
  await fs.rm(path.join(world.paths.runtime, 'paused'), { recursive: true })
  expect(await isPaused()).toBe(true)
  await world.start()
  await world.scan()
  expect(await isPaused()).toBe(false)
  expect(await journals()).toEqual([])
  expect(await world.content(disk.uuid)).toEqual(content)
})

test('a snapshot whose commit LVM carried out but reported as failed succeeds', async () => {
  const content = await world.content(disk.uuid)
  const { volumes } = box.lvm.fake
  const remove = volumes.delete.bind(volumes)
  volumes.delete = name => {
    const isThere = remove(name)
    if (name.startsWith('clone_')) throw new Error('lvremove was interrupted')
    return isThere
  }
  const snapshot = await world.snapshot(disk)
  volumes.delete = remove
  expect(await isPaused()).toBe(false)
  expect(await journals()).toEqual([])
  expect(await world.content(disk.uuid)).toEqual(content)
  expect(await world.content(snapshot.uuid)).toEqual(content)
})

describe('keys that a collector left on a disk whose revert was killed right after its commit', () => {
  const KEYS = { 'vhd-blocks': 'blocks of the old image', relinking: 'true' }

  /** What the record says of them after a recovery. */
  async function keysAfter(recover: () => Promise<void>): Promise<Record<string, string>> {
    const snapshot = await world.snapshot(disk)
    const wanted = await world.content(snapshot.uuid)
    await world.write(disk, 2, 1, 2)
    for (const [key, value] of Object.entries(KEYS)) await world.call('VDI.add_to_sm_config', disk.ref, key, value)
    await world.start('LVM_revert_after_commit')
    await expect(world.revert(snapshot)).rejects.toThrow('SIGKILL')
    await world.start()
    await recover()
    expect(await world.content(disk.uuid)).toEqual(wanted)
    expect(await journals()).toEqual([])
    return Object.fromEntries(Object.entries((await world.record(disk)).sm_config).filter(([key]) => key in KEYS))
  }

  test('go with its recovery, as with a revert that is not disturbed', async () => {
    expect(await keysAfter(() => world.scan())).toEqual({})
  })

  test('stay as far as a collector that runs meanwhile may have set them', async () => {
    const keys = await keysAfter(async () => {
      const running = await new LockManager(world.paths, box.lvm.system().effects).lock(world.srUuid, 'running')
      try {
        await world.scan()
      } finally {
        await running.release()
      }
    })
    expect(keys).toEqual({ relinking: 'true' })
  })
})
