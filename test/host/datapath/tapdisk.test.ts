import { existsSync, readFileSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Disk, projectRoot, World } from '../../support/World.ts'

interface Tapdisk {
  readonly minor: number
  readonly state: number
  readonly args: string | null
}

const ENOSPC = 28
const PAUSED = 0x20

let world: World
let disk: Disk

beforeEach(async () => {
  world = await World.create({ hostPluginDir: 'bin' })
  process.env['SM_DATAPATH'] = path.join(projectRoot, 'test/fixtures/tap-ctl/tap-ctl')
  world.pluginEnv['SM_DATAPATH'] = process.env['SM_DATAPATH']
  await world.start()
  disk = await world.createVdi('disk', 8)
})

afterEach(async () => {
  delete process.env['SM_DATAPATH']
  await world.close()
})

describe('a VDI on a host with tapdisk', () => {
  test('is opened and closed by tap-ctl in the order of the reference', async () => {
    await world.plugin('vdi_activate', disk, { args: ['true'] })
    expect(calls()).toEqual([
      `list -f ${image()}`,
      'allocate',
      'spawn',
      'attach -p 5000000 -m 0',
      `open -p 5000000 -m 0 -a vhd:${image()}`,
    ])
    expect(readlinkSync(link())).toBe(path.join(path.dirname(world.paths.nbdLinks), 'nbd5000000.0'))
    await world.plugin('vdi_deactivate', disk)
    const rest = ['list -m 0', 'close -p 5000000 -m 0 -t 120', 'detach -p 5000000 -m 0', 'free -m 0']
    expect(calls()).toEqual(rest)
    expect(existsSync(link())).toBe(false)
    expect(tapdisks()).toEqual([])
  })

  test('is opened for reading only, past the cache, where that is asked for', async () => {
    await world.call('SR.add_to_other_config', world.srRef, 'o_direct', 'true')
    await world.plugin('vdi_activate', disk, { args: ['false'] })
    expect(calls().at(-1)).toBe(`open -p 5000000 -m 0 -a vhd:${image()} -R`)
  })

  test('is paused while it is snapshotted, and resumed with its new chain', async () => {
    await world.plugin('vdi_activate', disk, { args: ['true'] })
    calls()
    await world.snapshot(disk)
    const done = calls()
    expect(done.filter(call => !call.startsWith('list'))).toEqual([
      'pause -p 5000000 -m 0',
      `unpause -p 5000000 -m 0 -a vhd:${image()}`,
    ])
    expect(tapdisks()).toEqual([{ minor: 0, state: 0, args: `vhd:${image()}` }])
  })

  test('that is paused already is not snapshotted, and left as it is', async () => {
    await world.plugin('vdi_activate', disk, { args: ['true'] })
    const before = await world.names()
    setTapdisks(tap => ({ ...tap, state: PAUSED }))
    expect((await world.failure('VDI.snapshot', disk.ref))[0]).toMatch(/^SR_BACKEND_FAILURE/)
    expect(await world.names()).toEqual(before)
    expect((await world.record(disk)).sm_config).not.toHaveProperty('paused')
  })

  test.each([
    ['vhd', {}],
    ['raw', { type: 'raw' }],
  ])('whose %s image is a link out of the SR is not opened', async (extension, smConfig) => {
    const linked = await world.createVdi('linked', 2, smConfig)
    const file = path.join(world.location, `${linked.uuid}.${extension}`)
    renameSync(file, path.join(world.root, 'elsewhere'))
    symlinkSync(path.join(world.root, 'elsewhere'), file)
    calls()
    expect((await world.fault('vdi_activate', linked, { args: ['true'] })).code).toBe(46)
    expect(calls().filter(call => !call.startsWith('list'))).toEqual([])
  })

  test('whose tapdisk is gone can be opened again', async () => {
    await world.plugin('vdi_activate', disk, { args: ['true'] })
    rmSync(path.join(world.paths.root, 'tapdisks.json'))
    expect(await world.plugin('vdi_activate', disk, { args: ['true'] })).not.toContain('<fault>')
    expect(tapdisks()).toHaveLength(1)
  })
})

describe('a tapdisk that a crash left without a name', () => {
  beforeEach(async () => {
    await world.plugin('vdi_activate', disk, { args: ['true'] })
    rmSync(link())
  })

  test('keeps its disk from being reverted and from being opened again, until it is closed', async () => {
    const snapshot = await world.snapshot(disk)
    expect(await world.fault('vdi_revert', snapshot, { args: [disk.ref] })).toMatchObject({ code: 24 })
    expect(await world.fault('vdi_activate', disk, { args: ['true'] })).toMatchObject({ code: 46 })
    await world.plugin('vdi_deactivate', disk)
    expect(tapdisks()).toEqual([])
    await world.revert(snapshot)
  })

  test('ends when the SR is attached again', async () => {
    await world.plugin('sr_attach', undefined)
    expect(tapdisks()).toEqual([])
    expect((await world.record(disk)).sm_config).not.toHaveProperty(`host_${await world.host()}`)
  })

  test('is ended by the next activation where the record does not know of it', async () => {
    await world.call('VDI.remove_from_sm_config', disk.ref, `host_${await world.host()}`)
    expect(await world.plugin('vdi_activate', disk, { args: ['true'] })).not.toContain('<fault>')
    expect(tapdisks()).toHaveLength(1)
    await world.plugin('vdi_deactivate', disk)
    expect(tapdisks()).toEqual([])
  })
})

describe('what fails', () => {
  test.each(['allocate', 'spawn', 'attach', 'open'])('in %s is told with its reason, and taken back', async command => {
    writeFileSync(path.join(world.paths.root, 'tap-ctl-fails'), `${command} ${ENOSPC}\n`)
    const { code, message } = await world.fault('vdi_activate', disk, { args: ['true'] })
    expect(code).toBe(453)
    expect(message).toContain('No space left on device')
    expect((await world.record(disk)).sm_config).not.toHaveProperty(`host_${await world.host()}`)
    expect((await world.record(disk)).sm_config).not.toHaveProperty('activating')
    expect(existsSync(link())).toBe(false)
    rmSync(path.join(world.paths.root, 'tap-ctl-fails'))
    expect(tapdisks().filter(tap => tap.args !== null)).toEqual([])
    expect(await world.plugin('vdi_activate', disk, { args: ['true'] })).not.toContain('<fault>')
  })

  test('because something serves the image already', async () => {
    writeTapdisks({ minors: [0], pids: { 4: { minor: 0, state: 0, args: `vhd:${image()}` } } })
    expect(await world.fault('vdi_activate', disk, { args: ['true'] })).toMatchObject({ code: 445 })
    expect(tapdisks()).toHaveLength(1)
  })

  test('in a close leaves the disk active, for another attempt', async () => {
    await world.plugin('vdi_activate', disk, { args: ['true'] })
    writeFileSync(path.join(world.paths.root, 'tap-ctl-fails'), 'close 5\n')
    expect(await world.fault('vdi_deactivate', disk)).toMatchObject({ code: 453 })
    expect(existsSync(link()) || readlinkSync(link()) !== '').toBe(true)
    expect((await world.record(disk)).sm_config).toHaveProperty(`host_${await world.host()}`)
    rmSync(path.join(world.paths.root, 'tap-ctl-fails'))
    await world.plugin('vdi_deactivate', disk)
    expect(tapdisks()).toEqual([])
  })
})

function image(): string {
  return path.join(world.paths.srMount(world.srUuid), `${disk.uuid}.vhd`)
}

function link(): string {
  return path.join(world.paths.nbdLinks, world.srUuid, disk.uuid)
}

/** Argument lists of tap-ctl since this was last asked. */
function calls(): string[] {
  const file = path.join(world.paths.root, 'tap-ctl-calls')
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
  rmSync(file, { force: true })
  return lines
}

interface Tapdisks {
  readonly minors: readonly number[]
  readonly pids: Readonly<Record<string, Tapdisk>>
}

function readTapdisks(): Tapdisks {
  const file = path.join(world.paths.root, 'tapdisks.json')
  if (!existsSync(file)) return { minors: [], pids: {} }
  return JSON.parse(readFileSync(file, 'utf8')) as Tapdisks
}

function tapdisks(): Tapdisk[] {
  return Object.values(readTapdisks().pids)
}

function writeTapdisks(all: Tapdisks): void {
  writeFileSync(path.join(world.paths.root, 'tapdisks.json'), JSON.stringify(all))
}

function setTapdisks(change: (tap: Tapdisk) => Tapdisk): void {
  const { minors, pids } = readTapdisks()
  writeTapdisks({ minors, pids: Object.fromEntries(Object.entries(pids).map(([pid, tap]) => [pid, change(tap)])) })
}
