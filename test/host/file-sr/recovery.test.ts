import { writeFileSync } from 'node:fs'
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Effects, errnoError } from '../../../lib/os/effects.ts'
import { Files } from '../../../lib/os/files.ts'
import { makeSystem } from '../../../lib/os/system.ts'
import { EmbeddedVhdUtil } from '../../../lib/vhd/EmbeddedVhdUtil.ts'
import { runInProcess, unreadable } from '../../support/inProcess.ts'
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

const inRoot = (name: string) => path.join(world.paths.root, name)
const inSr = (name: string) => path.join(world.location, name)
const vhd = () => new EmbeddedVhdUtil(world.system, { boundary: world.location })
const journals = async () => (await world.names()).filter(name => /^(revert|snapshot)_/.test(name))
const smConfig = async (vdi: Disk) => (await world.record(vdi)).sm_config
const tapdiskCalls = async () => readFile(inRoot('tapdisk-calls'), 'utf8').catch(() => '')
const openOnHost = async (vdi: Disk, mode: string) =>
  world.call('VDI.add_to_sm_config', vdi.ref, `host_${await world.host()}`, mode)

/** Data of its own in the snapshot makes a revert split it. */
const writeSnapshot = () => world.write(snapshot, 5, 2, 1)

/** The number of an operation's first effect that matches, in a run from the present state. */
async function effectNumber(act: () => Promise<unknown>, pattern: RegExp): Promise<string> {
  await world.save()
  const trace = path.join(world.root, 'trace')
  await rm(trace, { force: true })
  await world.restore(`trace:${trace}`)
  await act()
  await rm(inRoot('tapdisk-calls'), { force: true })
  const found = (await readFile(trace, 'utf8')).split('\n').find(line => pattern.test(line))
  return found?.split(' ')[0] ?? 'none'
}

/** Lets a plugin be killed at a point of `act`, and starts the toolstack again. */
async function interrupt(act: () => Promise<unknown>, point: string): Promise<void> {
  await world.save()
  await world.restore(point)
  await expect(act()).rejects.toThrow('SIGKILL')
  await world.start()
}

describe('a journal that is out of date', () => {
  test('does not take the base from under a disk that lived on', async () => {
    await writeSnapshot()
    await interrupt(() => world.revert(snapshot), 'FileSR_revert_after_commit')
    await world.write(disk, 7, 0, 1)
    const wanted = await world.content(disk.uuid)
    const base = '11111111-1111-4111-8111-111111111111'
    await link(world.vhd(disk.uuid), world.vhd(base))
    await vhd().snapshot(`${world.vhd(disk.uuid)}.new`, world.vhd(base), { exactParent: true })
    await rename(`${world.vhd(disk.uuid)}.new`, world.vhd(disk.uuid))
    await vhd().setHidden(world.vhd(base), true)
    await rm(world.vhd(snapshot.uuid))
    await world.scan()
    expect(await world.content(disk.uuid)).toEqual(wanted)
    expect(await journals()).toEqual([])
  })

  test('does not remove a snapshot that is used already', async () => {
    const destinations = async () => [...(await world.records()).values()].filter(record => record.managed)
    const known = new Set((await destinations()).map(record => record.uuid))
    const committing = await effectNumber(() => world.snapshot(disk), /VDI\.db_introduce/)
    await world.restore()
    await interrupt(() => world.snapshot(disk), `effect:${Number(committing) + 1}`)
    const made = (await destinations()).find(record => !known.has(record.uuid))
    if (made === undefined) throw new Error('no snapshot was introduced')
    await world.write({ ref: '', uuid: made.uuid }, 9, 0, 1)
    const wanted = await world.content(made.uuid)
    await world.scan()
    expect(await world.content(made.uuid)).toEqual(wanted)
    expect(await journals()).toEqual([])
  })
})

describe('an image that cannot be read', () => {
  test('leaves an interrupted revert as it is until it can be', async () => {
    await writeSnapshot()
    await interrupt(() => world.revert(snapshot), 'FileSR_revert_after_commit')
    const wanted = await world.content(disk.uuid)
    await runInProcess(world, { command: 'sr_scan', vdi: disk }, unreadable(`${disk.uuid}.vhd`)).catch(() => undefined)
    expect(await world.content(disk.uuid)).toEqual(wanted)
    await world.scan()
    expect(await world.content(disk.uuid)).toEqual(wanted)
    expect(await journals()).toEqual([])
  })

  test('may be a child: its parent is neither replaced nor deleted', async () => {
    const child = await world.createVdi('child', 4)
    await vhd().snapshot(world.vhd(child.uuid), world.vhd(disk.uuid))
    const wanted = await world.content(child.uuid)
    const system = unreadable(`${child.uuid}.vhd`)
    const revert = { command: 'vdi_revert', vdi: snapshot, members: { args: [disk.ref] } }
    await expect(runInProcess(world, revert, system)).rejects.toMatchObject({ code: 46 })
    await expect(runInProcess(world, { command: 'vdi_delete', vdi: disk }, system)).rejects.toMatchObject({ code: 46 })
    expect(await world.content(child.uuid)).toEqual(wanted)
  })
})

describe('a host that does not resume a disk', () => {
  beforeEach(async () => {
    await writeSnapshot()
  })

  test('keeps the journal, which closes the disks to all but letting go', async () => {
    await openOnHost(snapshot, 'RO')
    await writeFile(inRoot('tapdisk-refuses'), 'unpause')
    await world.revert(snapshot)
    expect(await journals()).toEqual([`revert_${disk.uuid}`])
    for (const act of [
      () => world.revert(snapshot),
      () => world.snapshot(disk),
      () => world.call('VDI.destroy', snapshot.ref),
    ]) {
      await expect(act()).rejects.toThrow('SR_BACKEND_FAILURE_47')
    }
    await rm(inRoot('tapdisk-refuses'))
    await world.scan()
    expect(await journals()).toEqual([])
    expect(await smConfig(snapshot)).not.toHaveProperty('paused')
  })

  test('keeps the journal of a snapshot too', async () => {
    await openOnHost(disk, 'RW')
    await writeFile(inRoot('tapdisk-refuses'), 'unpause')
    await world.snapshot(disk)
    await expect(world.snapshot(disk)).rejects.toThrow('SR_BACKEND_FAILURE_47')
    await rm(inRoot('tapdisk-refuses'))
    await world.scan()
    expect(await smConfig(disk)).not.toHaveProperty('paused')
    expect(await journals()).toEqual([])
  })

  test('is asked again when the SR is attached', async () => {
    await openOnHost(snapshot, 'RO')
    await writeFile(inRoot('tapdisk-refuses'), 'unpause')
    await world.revert(snapshot)
    await rm(inRoot('tapdisk-refuses'))
    await rm(inRoot('tapdisk-calls'))
    await world.plugin('sr_attach', undefined, { host_ref: 'OpaqueRef:another-host' })
    expect(await tapdiskCalls()).toBe(`unpause ${snapshot.uuid}\n`)
    expect(await journals()).toEqual([])
  })
})

describe('an error', () => {
  test('while a disk is being paused leaves no pause behind', async () => {
    const act = () => world.revert(snapshot)
    const adding = Number(await effectNumber(act, /add_to_sm_config/))
    await world.restore(`effect:${adding + 1}=EIO`)
    await expect(act()).rejects.toThrow('SR_BACKEND_FAILURE_82')
    expect(await smConfig(disk)).not.toHaveProperty('paused')
    expect(await journals()).toEqual([])
  })

  test.each([
    ['snapshot', () => world.snapshot(disk)],
    ['revert', () => world.revert(snapshot)],
  ])('of the statistics after a %s keeps nobody paused', async (_name, act) => {
    await writeSnapshot()
    for (const vdi of [disk, snapshot])
      await world.call('VDI.add_to_sm_config', vdi.ref, `host_${await world.host()}`, 'RO')
    const writing = await effectNumber(act, /set_virtual_allocation/)
    await world.restore(`effect:${writing}=EIO`)
    await act()
    expect(await tapdiskCalls()).toContain('unpause')
    for (const vdi of [disk, snapshot]) expect(await smConfig(vdi)).not.toHaveProperty('paused')
  })

  test('after the commit does not make a revert fail', async () => {
    const wanted = await world.content(snapshot.uuid)
    const unlocking = await effectNumber(() => world.revert(snapshot), /lock unlock .*running/)
    await world.restore(`effect:${unlocking}=EIO`)
    await world.revert(snapshot)
    expect(await world.content(disk.uuid)).toEqual(wanted)
  })

  test('of the statistics does not undo or fail the creation of a disk', async () => {
    const writing = await effectNumber(() => world.createVdi('new', 4), /set_virtual_allocation/)
    await world.restore(`effect:${writing}=EIO`)
    const made = await world.createVdi('new', 4)
    expect(await world.names()).toContain(`${made.uuid}.vhd`)
  })
})

describe('what changes while a revert begins', () => {
  /** A system that does something the moment the collector's lock is tried. */
  function whenQuiescing(action: () => Promise<unknown>) {
    let pending: Promise<unknown> | undefined
    const system = makeSystem(
      new Effects('', (_index, kind, detail) => {
        if (kind === 'lock' && /running$/.test(detail)) pending ??= action()
      }),
    )
    return { system, settled: () => pending }
  }
  const revert = () => ({ command: 'vdi_revert', vdi: snapshot, members: { args: [disk.ref] } })

  test('a host that opens the disk stops it', async () => {
    const before = await world.content(disk.uuid)
    const { system, settled } = whenQuiescing(async () => {
      await writeFile(inRoot('open-disks'), disk.uuid)
      await openOnHost(disk, 'RW')
    })
    await expect(runInProcess(world, revert(), system)).rejects.toMatchObject({ code: 24 })
    await settled()
    expect(await world.content(disk.uuid)).toEqual(before)
    expect(await journals()).toEqual([])
  })

  test('what would have been "not implemented" is an ordinary failure by then', async () => {
    const tracing = await effectNumber(() => world.revert(snapshot), /add_to_sm_config/)
    let done = false
    const system = makeSystem(
      new Effects('', index => {
        if (index > Number(tracing) && !done) {
          done = true
          writeFileSync(inSr(`${disk.uuid}.cbtlog`), Buffer.alloc(64))
        }
      }),
    )
    await world.restore()
    await expect(runInProcess(world, revert(), system)).rejects.toMatchObject({ code: 82 })
  })
})

describe('the collector of another implementation, interrupted', () => {
  test('keeps its disk closed and its record known', async () => {
    const parent = (await smConfig(disk))['vhd-parent'] ?? ''
    await writeFile(inSr(`leaf_${disk.uuid}`), parent)
    for (const command of ['vdi_attach', 'vdi_snapshot', 'vdi_delete']) {
      expect((await world.fault(command, disk, { args: command === 'vdi_attach' ? ['true'] : [] })).code).toBe(46)
    }
    expect((await world.fault('vdi_revert', snapshot, { args: [disk.ref] })).code).toBe(46)
    await rename(world.vhd(disk.uuid), inSr(`OLD_${disk.uuid}.vhd`))
    await world.scan()
    expect((await world.record(disk)).uuid).toBe(disk.uuid)
  })
})

describe('a journal that cannot be settled', () => {
  test('closes its own disks and no others, and its target may be deleted', async () => {
    await interrupt(() => world.revert(snapshot), 'FileSR_revert_before_commit')
    await rm(world.vhd(disk.uuid))
    await rm(inSr(`${disk.uuid}.vhd.revert`))
    await world.scan()
    expect(await journals()).toEqual([`revert_${disk.uuid}`])
    expect((await world.record(disk)).uuid).toBe(disk.uuid)
    await world.createVdi('other', 4)
    await world.call('VDI.destroy', disk.ref)
    await world.scan()
    expect(await journals()).toEqual([])
    expect(await smConfig(snapshot)).not.toHaveProperty('paused')
  })

  test.each([
    ['empty', ''],
    ['of another version', '{"version":9}'],
    ['that names another disk', '{"version":1,"state":"prepared","target":"../../etc","snapshot":"x","pausing":[]}'],
  ])('because it is %s stands for nothing done', async (_what, text) => {
    const before = await world.content(disk.uuid)
    await writeFile(inSr(`revert_${disk.uuid}`), text)
    await writeFile(inSr(`snapshot_${disk.uuid}`), text)
    await world.scan()
    expect(await journals()).toEqual([])
    expect(await world.content(disk.uuid)).toEqual(before)
  })
})

test('what cannot be removed, as on a read-only file system, keeps no scan from working', async () => {
  class ReadOnly extends Files {
    override unlink(filePath: string): Promise<void> {
      return Promise.reject(errnoError('EROFS', filePath))
    }
  }
  await writeFile(inSr(`${disk.uuid}.vhd.new`), 'x')
  const system = makeSystem(new Effects(''))
  const scan = { command: 'sr_scan', vdi: disk }
  expect(await runInProcess(world, scan, { ...system, files: new ReadOnly(system.effects) })).toBeNull()
  await world.scan()
  expect(await world.names()).not.toContain(`${disk.uuid}.vhd.new`)
})

test('deleting an SR leaves hidden files that are not its own', async () => {
  await writeFile(inSr('.keep-me'), 'x')
  for (const vdi of [snapshot, disk]) await world.call('VDI.destroy', vdi.ref)
  await world.call('PBD.unplug', await world.pbd())
  await world.call('SR.destroy', world.srRef)
  expect(await world.names()).toEqual(['.keep-me'])
})
