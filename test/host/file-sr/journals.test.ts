import { execFileSync } from 'node:child_process'
import { copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { inspectVhd } from '../../../lib/vhd/inspect.ts'
import { World, type Disk } from '../../support/World.ts'

let world: World
let disk: Disk
let snapshot: Disk
beforeEach(async () => {
  world = await World.create()
  disk = await world.createVdi('disk', 4)
  await world.write(disk, 1, 0, 1)
  snapshot = await world.snapshot(disk)
  await world.write(disk, 2, 0, 2)
})
afterEach(async () => {
  await world.close()
})

const inSr = (name: string) => path.join(world.location, name)
const vhdUuid = async (vdi: Disk) => (await inspectVhd(world.system.files, world.vhd(vdi.uuid))).uuid
const hiddenImages = async () =>
  (await world.images()).filter(row => 'hidden' in row && row.hidden).map(row => row.name)

describe('a revert journal whose base is another disk', () => {
  const ELSE = '11111111-1111-4111-8111-111111111111'

  test.each([
    ['that says the revert took effect', true, true],
    ['that says it did not', false, true],
    ['that knows the disk by the wrong image', false, false],
  ])('%s leaves that disk alone', async (_what, committed, knowsBase) => {
    const bystander = await world.createVdi('bystander', 4)
    await world.write(bystander, 9, 0, 1)
    const before = { content: await world.content(bystander.uuid), hidden: await hiddenImages() }
    const journal = {
      ...{ version: 1, state: 'prepared', mode: 'split', pausing: [], created: '', host: '' },
      ...{ snapshot: snapshot.uuid, target: disk.uuid, base: bystander.uuid },
      oldSnapshotVhd: knowsBase ? await vhdUuid(bystander) : ELSE,
      newTargetVhd: committed ? await vhdUuid(disk) : ELSE,
    }
    await writeFile(inSr(`revert_${disk.uuid}`), JSON.stringify(journal))
    await world.scan()
    expect(await world.names()).not.toContain(`revert_${disk.uuid}`)
    expect({ content: await world.content(bystander.uuid), hidden: await hiddenImages() }).toEqual(before)
    expect(await world.record(bystander)).toMatchObject({ managed: true, read_only: false })
  })
})

describe('a snapshot journal whose new disk is another one', () => {
  test.each([
    ['a disk of its own', {}],
    ['a raw disk', { type: 'raw' }],
  ])('leaves that alone: %s', async (_what, smConfig) => {
    const bystander = await world.createVdi('bystander', 4, smConfig)
    const names = await world.names()
    const journal = { version: 1, state: 'started', vdi: disk.uuid, destination: bystander.uuid, created: '' }
    const base = { base: '22222222-2222-4222-8222-222222222222', baseVhd: await vhdUuid(disk) }
    await writeFile(inSr(`snapshot_${disk.uuid}`), JSON.stringify({ ...journal, ...base }))
    await world.scan()
    expect(await world.names()).toEqual(names)
    expect((await world.record(bystander)).uuid).toBe(bystander.uuid)
  })
})

/** On NFS the commit is two operations where somebody has the target open: it is moved away, then replaced. */
describe('a revert that is stopped while the target has no name', () => {
  const MOVED = '.nfs000000000000a1b200000001'
  let old: Awaited<ReturnType<World['content']>>
  beforeEach(async () => {
    old = await world.content(disk.uuid)
    await world.start('FileSR_revert_before_commit')
    await expect(world.revert(snapshot)).rejects.toThrow('SIGKILL')
    await world.start()
    await rename(world.vhd(disk.uuid), inSr(MOVED))
  })

  test('is finished where the new image is there', async () => {
    await world.scan()
    expect(await world.content(disk.uuid)).toEqual(await world.content(snapshot.uuid))
    expect((await world.record(disk)).sm_config).not.toHaveProperty('paused')
    expect((await world.names()).filter(name => !name.endsWith('.vhd'))).toEqual([MOVED])
  })

  test('is taken back where it is not', async () => {
    await rm(inSr(`${disk.uuid}.vhd.revert`))
    await world.scan()
    expect(await world.content(disk.uuid)).toEqual(old)
    expect((await world.record(disk)).sm_config).not.toHaveProperty('paused')
    expect((await world.names()).filter(name => !name.endsWith('.vhd'))).toEqual([])
  })

  test('stays closed where only a strange image was moved away', async () => {
    await rm(inSr(`${disk.uuid}.vhd.revert`))
    await copyFile(world.vhd(snapshot.uuid), inSr(MOVED))
    await world.scan()
    expect((await world.fault('vdi_attach', disk, { args: ['true'] })).code).toBe(47)
    expect((await world.record(disk)).uuid).toBe(disk.uuid)
    expect(await world.names()).toContain(MOVED)
  })
})

describe('what has the name of a journal and is no file', () => {
  test('a pipe holds nobody up, and goes', async () => {
    for (const kind of ['revert', 'snapshot']) execFileSync('mkfifo', [inSr(`${kind}_${disk.uuid}`)])
    await world.scan()
    expect((await world.names()).filter(name => !name.endsWith('.vhd'))).toEqual([])
    await world.revert(snapshot)
  })

  test('a directory closes its own disk and no other', async () => {
    await mkdir(inSr(`revert_${disk.uuid}`))
    await world.scan()
    expect((await world.fault('vdi_attach', disk, { args: ['true'] })).code).toBe(47)
    await world.clone(snapshot)
    await rm(inSr(`revert_${disk.uuid}`), { recursive: true })
  })
})
