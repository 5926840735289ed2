import type { StatsFs } from 'node:fs'
import { readFile, rm, truncate, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Effects } from '../../../lib/os/effects.ts'
import { Files } from '../../../lib/os/files.ts'
import { makeSystem, type System } from '../../../lib/os/system.ts'
import { runInProcess } from '../../support/inProcess.ts'
import { World, type Disk } from '../../support/World.ts'

describe('a revert is refused', () => {
  let world: World
  let disk: Disk
  let snapshot: Disk
  beforeAll(async () => {
    world = await World.create()
  })
  beforeEach(async () => {
    disk = await world.createVdi('disk', 4)
    await world.write(disk, 1, 0, 1)
    snapshot = await world.snapshot(disk)
    await world.write(disk, 2, 0, 2)
  })
  afterEach(async () => {
    for (const name of ['tapdisk-calls', 'tapdisk-refuses', 'open-disks']) await rm(inRoot(name), { force: true })
  })
  afterAll(async () => {
    await world.close()
  })

  const inRoot = (name: string) => path.join(world.paths.root, name)

  /** The fault of reverting `disk`, after which nothing is different on disk. */
  async function refusal(members: Record<string, string | string[] | Record<string, string>> = {}) {
    const before = { names: await world.names(), content: await world.content(disk.uuid).catch(String) }
    const fault = await world.fault('vdi_revert', snapshot, { args: [disk.ref], ...members })
    expect({ names: await world.names(), content: await world.content(disk.uuid).catch(String) }).toEqual(before)
    expect((await world.record(disk)).sm_config).not.toHaveProperty('paused')
    return fault
  }

  test('on a host that is not the master', async () => {
    const device = { SRmaster: 'false', location: world.location }
    expect((await refusal({ device_config: device })).code).toBe(202)
  })

  test.each([
    ['the null reference', 'OpaqueRef:NULL', 1],
    ['something else', 'disk', 1],
    ['an empty text', '', 1],
    ['a reference nobody has', 'OpaqueRef:11111111-1111-4111-8111-111111111111', 144],
    ['a uuid nobody has', '11111111-1111-4111-8111-111111111111', 144],
  ])('when the target is %s', async (_what, target, code) => {
    expect((await refusal({ args: [target] })).code).toBe(code)
  })

  test('without a target', async () => {
    expect((await refusal({ args: [] })).code).toBe(1)
  })

  test('of the snapshot onto itself', async () => {
    expect((await refusal({ args: [snapshot.uuid] })).code).toBe(1)
  })

  test('of a target that is itself a snapshot', async () => {
    const second = await world.snapshot(disk)
    expect((await refusal({ args: [second.ref] })).code).toBe(66)
  })

  test('when the target is raw, with the code that lets xapi copy instead', async () => {
    const raw = await world.createVdi('raw', 4, { type: 'raw' })
    expect(await refusal({ args: [raw.ref] })).toMatchObject({
      code: 38,
      message: expect.stringContaining('[opterr=raw VDI]') as string,
    })
  })

  test('when the snapshot is raw, be the target raw too or not, with the same code', async () => {
    const raws = [await world.createVdi('raw', 4, { type: 'raw' }), await world.createVdi('raw', 4, { type: 'raw' })]
    const [from, to] = raws as [Disk, Disk]
    for (const target of [disk, to]) {
      const fault = await world.fault('vdi_revert', from, { args: [target.ref] })
      expect(fault).toMatchObject({ code: 38, message: expect.stringContaining('[opterr=raw VDI]') as string })
    }
  })

  test('when the target has a format this driver does not handle', async () => {
    await writeFile(path.join(world.location, `${disk.uuid}.qcow2`), 'x')
    expect((await refusal()).code).toBe(66)
    await rm(path.join(world.location, `${disk.uuid}.qcow2`))
  })

  test('while there is a log of its changed blocks, and then it cannot be destroyed either', async () => {
    const log = path.join(world.location, `${disk.uuid}.cbtlog`)
    await writeFile(log, Buffer.alloc(64))
    expect((await refusal()).code).toBe(38)
    expect((await world.fault('vdi_delete', disk)).code).toBe(38)
    expect(await world.names()).toContain(`${disk.uuid}.vhd`)
    await rm(log)
  })

  test('while a host has the target open', async () => {
    await world.call('VDI.add_to_sm_config', disk.ref, `host_${await world.host()}`, 'RW')
    await writeFile(inRoot('open-disks'), disk.uuid)
    expect((await refusal()).code).toBe(24)
  })

  test('while a host that cannot be asked may have it open', async () => {
    await world.call('VDI.add_to_sm_config', disk.ref, 'host_OpaqueRef:gone', 'RW')
    expect((await refusal()).code).toBe(24)
  })

  test('while the target is being activated', async () => {
    await world.call('VDI.add_to_sm_config', disk.ref, 'activating', 'True')
    expect((await refusal()).code).toBe(46)
  })

  test('while somebody else has the target paused, and the pause stays', async () => {
    await world.call('VDI.add_to_sm_config', disk.ref, 'paused', 'true')
    expect((await world.fault('vdi_revert', snapshot, { args: [disk.ref] })).code).toBe(46)
    expect((await world.record(disk)).sm_config).toHaveProperty('paused')
  })

  test('when another disk is built on the target', async () => {
    const child = await world.createVdi('child', 4)
    const { EmbeddedVhdUtil } = await import('../../../lib/vhd/EmbeddedVhdUtil.ts')
    const vhd = new EmbeddedVhdUtil(world.system, { boundary: world.location })
    await vhd.snapshot(world.vhd(child.uuid), world.vhd(disk.uuid))
    expect((await refusal()).code).toBe(24)
    await rm(world.vhd(child.uuid))
  })

  test('when the snapshot is built on the target although its header names another disk', async () => {
    const built = await world.createVdi('built', 4)
    const { EmbeddedVhdUtil } = await import('../../../lib/vhd/EmbeddedVhdUtil.ts')
    const vhd = new EmbeddedVhdUtil(world.system, { boundary: world.location })
    await rm(world.vhd(built.uuid))
    await vhd.snapshot(world.vhd(built.uuid), world.vhd(disk.uuid))
    const image = await readFile(world.vhd(built.uuid))
    const wanted = await world.content(built.uuid)
    await writeFile(world.vhd(built.uuid), withParentName(image, `${snapshot.uuid}.vhd`))
    const before = await world.content(disk.uuid)
    expect((await world.fault('vdi_revert', built, { args: [disk.ref] })).code).toBe(46)
    expect(await world.content(disk.uuid)).toEqual(before)
    expect(await world.content(built.uuid)).toEqual(wanted)
    await rm(world.vhd(built.uuid))
  })

  test('when the snapshot cannot be read down to its root', async () => {
    const base = (await world.record(snapshot)).sm_config['vhd-parent'] ?? ''
    const endOfMetadata = 3584
    await truncate(world.vhd(base), endOfMetadata)
    expect(await refusal()).toMatchObject({ code: 46, message: expect.stringContaining('ends before') as string })
    await truncate(world.vhd(base), 1000)
    expect((await refusal()).code).toBe(46)
    await rm(world.vhd(base))
    expect((await refusal()).code).toBe(46)
    for (const { uuid } of [disk, snapshot]) await rm(world.vhd(uuid))
  })

  test('when a snapshot that has to move cannot be paused, and then nothing is paused', async () => {
    await world.write(snapshot, 5, 2, 1)
    await world.call('VDI.add_to_sm_config', snapshot.ref, `host_${await world.host()}`, 'RO')
    await writeFile(inRoot('tapdisk-refuses'), 'pause')
    expect((await refusal()).code).toBe(46)
    expect((await world.record(snapshot)).sm_config).not.toHaveProperty('paused')
  })
})

describe('a revert goes on', () => {
  let world: World
  beforeAll(async () => {
    world = await World.create()
  })
  afterAll(async () => {
    await world.close()
  })

  async function calls(): Promise<string[]> {
    const log = await readFile(path.join(world.paths.root, 'tapdisk-calls'), 'utf8').catch(() => '')
    return log.split('\n').filter(line => line !== '')
  }

  async function snapshotted(): Promise<[Disk, Disk]> {
    const disk = await world.createVdi('disk', 4)
    await world.write(disk, 1, 0, 1)
    const snapshot = await world.snapshot(disk)
    await world.write(disk, 2, 0, 2)
    await world.call('VDI.add_to_sm_config', snapshot.ref, `host_${await world.host()}`, 'RO')
    await rm(path.join(world.paths.root, 'tapdisk-calls'), { force: true })
    return [disk, snapshot]
  }

  test('after removing the key of a host that does not have the target open', async () => {
    const [disk, snapshot] = await snapshotted()
    await world.call('VDI.add_to_sm_config', disk.ref, `host_${await world.host()}`, 'RW')
    await world.revert(snapshot)
    expect((await world.record(disk)).sm_config).not.toHaveProperty(`host_${await world.host()}`)
  })

  test('where only the snapshot has a log of its changed blocks, and leaves that alone', async () => {
    const [disk, snapshot] = await snapshotted()
    const log = path.join(world.location, `${snapshot.uuid}.cbtlog`)
    await writeFile(log, Buffer.alloc(64, 7))
    for (const splits of [false, true]) {
      if (splits) await world.write(snapshot, 5, 2, 1)
      const wanted = await world.content(snapshot.uuid)
      await world.revert(snapshot)
      expect(await world.content(disk.uuid)).toEqual(wanted)
      expect(await world.content(snapshot.uuid)).toEqual(wanted)
      expect(await readFile(log)).toEqual(Buffer.alloc(64, 7))
    }
    await rm(log)
  })

  test('where the record speaks of a log that is not there: xapi would destroy the disk after a refusal', async () => {
    const [disk, snapshot] = await snapshotted()
    const log = path.join(world.location, `${disk.uuid}.cbtlog`)
    await writeFile(log, Buffer.alloc(64))
    await world.scan()
    await rm(log)
    expect((await world.record(disk)).cbt_enabled).toBe(true)
    const wanted = await world.content(snapshot.uuid)
    await world.revert(snapshot)
    expect(await world.content(disk.uuid)).toEqual(wanted)
    expect((await world.record(disk)).cbt_enabled).toBe(false)
  })

  test('where the target was left half-way through a resize that cannot be taken back, which helps', async () => {
    const [disk, snapshot] = await snapshotted()
    const image = await readFile(world.vhd(disk.uuid))
    await writeFile(world.vhd(disk.uuid), poisoned(image))
    await writeFile(path.join(world.location, `.journal-${disk.uuid}`), Buffer.alloc(512, 5))
    await world.scan()
    expect((await world.fault('vdi_attach', disk, { args: ['true'] })).code).toBe(47)
    await world.revert(snapshot)
    expect(await world.content(disk.uuid)).toEqual(await world.content(snapshot.uuid))
    expect(await world.names()).not.toContain(`.journal-${disk.uuid}`)
    expect(await world.plugin('vdi_attach', disk, { args: ['true'] })).toContain('params_nbd')
  })

  test.each([
    ['FileSR_revert_before_commit', 'it is still closed, and a revert still helps'],
    ['FileSR_revert_after_commit', 'the journal of the image that is gone is not taken to the new one'],
  ])('killed at %s over a disk that a resize left half-way: %s', async point => {
    const [disk, snapshot] = await snapshotted()
    const wanted = await world.content(snapshot.uuid)
    await writeFile(world.vhd(disk.uuid), poisoned(await readFile(world.vhd(disk.uuid))))
    await writeFile(path.join(world.location, `.journal-${disk.uuid}`), Buffer.alloc(512, 5))
    await world.start(point)
    await expect(world.revert(snapshot)).rejects.toThrow('SIGKILL')
    await world.start()
    await world.scan()
    if (point === 'FileSR_revert_before_commit') {
      expect((await world.fault('vdi_attach', disk, { args: ['true'] })).code).toBe(47)
      await world.revert(snapshot)
    }
    expect(await world.content(disk.uuid)).toEqual(wanted)
    expect((await world.names()).filter(name => !name.endsWith('.vhd'))).toEqual([])
    expect((await world.record(disk)).sm_config).not.toHaveProperty('paused')
  })

  test('where all that is free is what the file system reserves for root, and says so where nothing is', async () => {
    const [disk, snapshot] = await snapshotted()
    const revert = { command: 'vdi_revert', vdi: snapshot, members: { args: [disk.ref] } }
    await expect(runInProcess(world, revert, withFreeBlocks(0))).rejects.toMatchObject({ code: 44 })
    await runInProcess(world, revert, withFreeBlocks(1000))
    expect(await world.content(disk.uuid)).toEqual(await world.content(snapshot.uuid))
  })

  test('beside a reader of the snapshot without disturbing it, where its image stays', async () => {
    const [disk, snapshot] = await snapshotted()
    const wanted = await world.content(snapshot.uuid)
    await world.revert(snapshot)
    expect(await calls()).toEqual([])
    expect(await world.content(disk.uuid)).toEqual(wanted)
  })

  test('beside a reader of the snapshot by pausing it, where its image moves', async () => {
    const [disk, snapshot] = await snapshotted()
    await world.write(snapshot, 5, 2, 1)
    const wanted = await world.content(snapshot.uuid)
    await world.revert(snapshot)
    expect(await calls()).toEqual([`pause ${snapshot.uuid}`, `unpause ${snapshot.uuid}`])
    expect(await world.content(disk.uuid)).toEqual(wanted)
    expect((await world.record(snapshot)).sm_config).not.toHaveProperty('paused')
  })
})

describe('while a revert journal is pending', () => {
  let world: World
  let disk: Disk
  let snapshot: Disk
  beforeAll(async () => {
    world = await World.create()
    disk = await world.createVdi('disk', 4)
    await world.write(disk, 1, 0, 1)
    snapshot = await world.snapshot(disk)
    await world.write(disk, 2, 0, 2)
    await world.save()
  })
  beforeEach(async () => {
    await world.restore('FileSR_revert_before_commit')
    await world.revert(snapshot).catch(() => undefined)
    expect(await world.names()).toContain(`revert_${disk.uuid}`)
    await world.start()
  })
  afterAll(async () => {
    await world.close()
  })

  test.each(['vdi_attach', 'vdi_activate'])('%s of either disk is refused on the master', async command => {
    for (const vdi of [disk, snapshot]) {
      const fault = await world.fault(command, vdi, { args: ['true'] })
      expect(fault.code).toBe(47)
      expect(fault.message).toContain('[opterr=Critical journals are pending. A scan is required.]')
    }
  })

  test.each(['vdi_delete', 'vdi_snapshot', 'vdi_resize', 'vdi_update'])(
    '%s is refused on another host',
    async command => {
      const device_config = { SRmaster: 'false', location: world.location }
      const fault = await world.fault(command, disk, {
        args: command === 'vdi_resize' ? ['8388608'] : [],
        device_config,
      })
      expect(fault.code).toBe(47)
      expect(await world.names()).toContain(`revert_${disk.uuid}`)
    },
  )

  test('the master may still let go of a disk', async () => {
    expect(await world.plugin('vdi_detach', snapshot)).toContain('<nil/>')
  })

  test('a scan on the master resolves it', async () => {
    await world.scan()
    expect(await world.names()).not.toContain(`revert_${disk.uuid}`)
    expect(await world.plugin('vdi_attach', disk, { args: ['true'] })).toContain('params_nbd')
  })

  test('a second revert succeeds without a scan', async () => {
    await world.revert(snapshot)
    expect(await world.content(disk.uuid)).toEqual(await world.content(snapshot.uuid))
  })

  test('other disks are not concerned', async () => {
    const other = await world.createVdi('other', 4)
    expect(await world.plugin('vdi_attach', other, { args: ['true'] })).toContain('params_nbd')
  })
})

/** A system whose file system leaves no block to ordinary users. */
function withFreeBlocks(bfree: number): System {
  class AlmostFull extends Files {
    override async statfs(directory: string): Promise<StatsFs> {
      return Object.assign(await super.statfs(directory), { bavail: 0, bfree })
    }
  }
  const system = makeSystem(new Effects(''))
  return { ...system, files: new AlmostFull(system.effects) }
}

/** The image with both footers as a resize leaves them while it works. */
function poisoned(image: Buffer): Buffer {
  const changed = Buffer.from(image)
  for (const start of [0, image.length - 512]) {
    changed.write('v_poison', start, 'latin1')
    changed.writeUInt32BE(0, start + 64)
    const sum = changed.subarray(start, start + 512).reduce((total, byte) => total + byte, 0)
    changed.writeUInt32BE(~sum >>> 0, start + 64)
  }
  return changed
}

/** The image with another name of its parent in the header, which its locators do not know. */
function withParentName(image: Buffer, name: string): Buffer {
  const [header, nameField, checksum] = [512, 512 + 0x40, 512 + 0x24]
  const changed = Buffer.from(image)
  changed.fill(0, nameField, nameField + 512)
  Buffer.from(name, 'utf16le').swap16().copy(changed, nameField)
  changed.writeUInt32BE(0, checksum)
  const sum = changed.subarray(header, header + 1024).reduce((total, byte) => total + byte, 0)
  changed.writeUInt32BE(~sum >>> 0, checksum)
  return changed
}
