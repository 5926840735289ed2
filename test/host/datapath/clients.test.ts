import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { clientPackages, missingPackages } from '../../../scripts/lab-packages.mjs'
import { EmbeddedVhdUtil } from '../../../lib/vhd/EmbeddedVhdUtil.ts'
import { type Disk, MIB, projectRoot, World } from '../../support/World.ts'

const SIZE_MIB = 32

let world: World
let disk: Disk

describe.skipIf(missingClients() !== undefined)('NBD clients that others wrote', () => {
  beforeEach(async () => {
    world = await World.create({ hostPluginDir: 'bin' })
    disk = await world.createVdi('disk', SIZE_MIB)
  })

  afterEach(async () => {
    const registration = path.join(world.paths.runtime, 'datapath', `${disk.uuid}.json`)
    if (existsSync(registration)) process.kill(pidOf(registration), 'SIGKILL')
    await world.close()
  })

  test('nbdinfo sees the export, what it can do, and where its data is', async () => {
    await world.write(disk, 7, 4, 2)
    const uri = await activate()
    const info = JSON.parse(await run('nbdinfo', '--json', uri)) as { exports: Record<string, unknown>[] }
    expect(info.exports[0]).toMatchObject({
      'export-size': SIZE_MIB * MIB,
      can_flush: true,
      can_multi_conn: true,
      can_zero: true,
    })
    const map = JSON.parse(await run('nbdinfo', '--map', '--json', uri)) as {
      offset: number
      length: number
      type: number
    }[]
    expect(map.map(({ offset, length, type }) => [offset / MIB, length / MIB, type])).toEqual([
      [0, 4, 3],
      [4, 2, 0],
      [6, SIZE_MIB - 6, 3],
    ])
    expect(await run('nbdinfo', '--list', uri)).toContain(`export="${disk.uuid}"`)
  })

  test('nbdcopy brings a file into a disk and out again, through a snapshot', async () => {
    const [source, copy] = [path.join(world.root, 'source'), path.join(world.root, 'copy')]
    const bytes = Buffer.alloc(SIZE_MIB * MIB)
    for (let at = 0; at < bytes.length; at += 5 * MIB) bytes.fill(at / MIB + 1, at, at + MIB + 513)
    writeFileSync(source, bytes)
    const uri = await activate()
    await run('nbdcopy', '--connections=4', source, uri)
    await world.snapshot(disk)
    await run('nbdcopy', uri, copy)
    expect(readFileSync(copy).equals(bytes)).toBe(true)
    await world.plugin('vdi_deactivate', disk)
    await check()
  })

  test('qemu writes, zeroes, discards and reads what it wrote', async () => {
    const uri = await activate()
    const commands = ['write -P 1 1000 70000', 'write -f -P 2 4M 1M', 'write -z 4608k 64k', 'discard 8M 2M', 'flush']
    const reads = [
      'read -P 1 1000 70000',
      'read -P 2 4M 512k',
      'read -P 0 4608k 64k',
      'read -P 2 4672k 448k',
      'read -P 0 0 1000',
    ]
    const said = await run('qemu-io', '-f', 'raw', ...[...commands, ...reads].flatMap(command => ['-c', command]), uri)
    expect(said).not.toContain('verification failed')
    await world.plugin('vdi_deactivate', disk)
    await check()
    // A disk without parent is one of the few that qemu reads right by itself.
    const copy = path.join(world.root, 'copy')
    await run('nbdcopy', await activate(), copy)
    await run('qemu-img', 'compare', '-f', 'vpc', '-F', 'raw', world.vhd(disk.uuid), copy)
  })

  test('fio finds everything that was flushed after the server was killed in the middle of its writes', async () => {
    const uri = await activate()
    const job = (...options: string[]) => [
      '--name=x',
      '--ioengine=nbd',
      `--uri=${uri}`,
      '--bs=4k',
      '--verify=crc32c',
      ...options,
    ]
    const flushed = ['--rw=write', '--size=8M', '--offset=0']
    await run('fio', ...job(...flushed, '--do_verify=0', '--end_fsync=1'))
    const load = job('--rw=randwrite', '--size=16M', '--offset=16M', '--iodepth=16', '--time_based', '--runtime=60')
    const writer = spawn('fio', load, { cwd: world.root })
    const ended = once(writer, 'close')
    const before = statSync(world.vhd(disk.uuid)).size
    await expect.poll(() => statSync(world.vhd(disk.uuid)).size, { timeout: 30_000 }).toBeGreaterThan(before + 4 * MIB)
    process.kill(pidOf(path.join(world.paths.runtime, 'datapath', `${disk.uuid}.json`)), 'SIGKILL')
    await ended
    // Its end footer is written when it is closed; until then the one at its beginning counts.
    await run(path.join(projectRoot, 'bin/vhd-util'), 'check', '-i', '-n', world.vhd(disk.uuid))
    await activate()
    await run('fio', ...job(...flushed, '--verify_only'))
    await world.plugin('vdi_deactivate', disk)
    await check()
  })
})

/** Why there are no clients to test with, or undefined. In CI that is a failure. */
function missingClients(): string | undefined {
  const packages = missingPackages(clientPackages)
  if (packages.length === 0) return undefined
  const reason = `SKIPPED, other NBD clients are not tested: Debian packages ${packages.join(', ')} are not installed`
  if (process.env['CI'] === 'true') throw new Error(reason)
  console.warn(reason)
  return reason
}

/** The URI of the disk, active. */
async function activate(): Promise<string> {
  expect(await world.plugin('vdi_activate', disk, { args: ['true'] })).not.toContain('<fault>')
  const link = path.join(world.paths.nbdLinks, world.srUuid, disk.uuid)
  return `nbd+unix:///${disk.uuid}?socket=${await world.system.files.realpath(link)}`
}

async function run(program: string, ...args: string[]): Promise<string> {
  // fio leaves files with the state of its verification where it runs.
  const { stdout } = await promisify(execFile)(program, args, { maxBuffer: 16 * MIB, cwd: world.root })
  return stdout
}

async function check(): Promise<void> {
  await new EmbeddedVhdUtil(world.system, { boundary: world.directory }).check(world.vhd(disk.uuid))
}

function pidOf(registration: string): number {
  return (JSON.parse(readFileSync(registration, 'utf8')) as { pid: number }).pid
}
