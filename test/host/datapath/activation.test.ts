import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Disk, MIB, projectRoot, World } from '../../support/World.ts'
import { NbdClient } from '../../support/NbdClient.ts'

let world: World
let disk: Disk
let client: NbdClient | undefined

beforeEach(async () => {
  world = await World.create({ hostPluginDir: 'bin' })
  disk = await world.createVdi('disk', 8)
})

afterEach(async () => {
  client?.close()
  client = undefined
  for (const uuid of servers()) process.kill(pidOf(uuid), 'SIGKILL')
  await world.close()
})

describe('an active VDI', () => {
  test('is served under the name that vdi_attach gave, and keeps what was written', async () => {
    const attached = await world.plugin('vdi_attach', disk, { args: ['true'] })
    expect(attached).toContain(`nbd:unix:${link(disk)}:exportname=${disk.uuid}`)
    expect(existsSync(link(disk))).toBe(false)
    await activate(disk)
    client = await NbdClient.connect(link(disk), disk.uuid)
    expect(client.size).toBe(8 * MIB)
    await client.write(4096, Buffer.alloc(8192, 7))
    const expected = Buffer.alloc(16384)
    expected.fill(7, 4096, 4096 + 8192)
    expect((await client.read(0, 16384)).equals(expected)).toBe(true)
    expect((await world.record(disk)).sm_config).toMatchObject({ [`host_${await world.host()}`]: 'RW' })
    client.close()
    await world.plugin('vdi_deactivate', disk)
    expect((await world.record(disk)).sm_config).toEqual({ 'vhd-parent': undefined })
    expect(servers()).toEqual([])
    expect(existsSync(link(disk))).toBe(false)
    await activate(disk, 'false')
    client = await NbdClient.connect(link(disk), '')
    expect(client.isReadOnly).toBe(true)
    expect((await client.read(4096, 8192)).equals(Buffer.alloc(8192, 7))).toBe(true)
  })

  test('lets nobody but this user near its sockets', async () => {
    await activate(disk)
    for (const name of [`${disk.uuid}.sock`, `${disk.uuid}.ctl`]) {
      expect(statSync(path.join(runtime(), name)).mode & 0o777, name).toBe(0o600)
    }
    expect(statSync(runtime()).mode & 0o077).toBe(0)
  })

  test('is not activated a second time', async () => {
    await activate(disk)
    expect(await world.fault('vdi_activate', disk, { args: ['true'] })).toMatchObject({ code: 46 })
    expect(await world.fault('vdi_activate', disk, { args: ['false'] })).toMatchObject({ code: 46 })
    client = await NbdClient.connect(link(disk), disk.uuid)
    expect((await client.read(0, 512)).equals(Buffer.alloc(512))).toBe(true)
  })

  test('is not reverted, snapshotted, resized or deleted where its record has lost the word of it', async () => {
    await world.write(disk, 1, 0, 1)
    const snapshot = await world.snapshot(disk)
    await world.write(disk, 2, 0, 1)
    await activate(disk)
    await world.call('VDI.remove_from_sm_config', disk.ref, `host_${await world.host()}`)
    expect(await world.fault('vdi_revert', snapshot, { args: [disk.ref] })).toMatchObject({ code: 24 })
    expect(await world.fault('vdi_resize', disk, { args: [String(16 * MIB)] })).toMatchObject({ code: 24 })
    expect(await world.fault('vdi_delete', disk)).toMatchObject({ code: 24 })
    expect(await world.fault('vdi_snapshot', disk, { driver_params: {} })).toMatchObject({ code: 82 })
    expect(await world.fault('vdi_clone', disk, { driver_params: {} })).toMatchObject({ code: 81 })
    expect((await world.record(disk)).sm_config).not.toHaveProperty('paused')
    client = await NbdClient.connect(link(disk), disk.uuid)
    expect((await client.read(0, 512)).equals(Buffer.alloc(512, 2))).toBe(true)
    client.close()
    await world.plugin('vdi_deactivate', disk)
    await world.revert(snapshot)
    expect(await world.content(disk.uuid)).toEqual(await world.content(snapshot.uuid))
  })

  test('goes on under its client while it is snapshotted', async () => {
    await activate(disk)
    client = await NbdClient.connect(link(disk), disk.uuid)
    await client.write(0, Buffer.alloc(MIB, 1))
    const snapshot = await world.snapshot(disk)
    await client.write(0, Buffer.alloc(MIB, 2))
    expect((await client.read(0, MIB)).equals(Buffer.alloc(MIB, 2))).toBe(true)
    client.close()
    await world.plugin('vdi_deactivate', disk)
    await world.revert(snapshot)
    await activate(disk)
    client = await NbdClient.connect(link(disk), disk.uuid)
    expect((await client.read(0, MIB)).equals(Buffer.alloc(MIB, 1))).toBe(true)
  })

  test('is not reverted, and nothing is changed', async () => {
    const snapshot = await world.snapshot(disk)
    await activate(disk)
    const before = await world.names()
    expect(await world.failure('VDI.revert', snapshot.ref)).toContain('VDI_IN_USE')
    expect(await world.names()).toEqual(before)
    client = await NbdClient.connect(link(disk), disk.uuid)
    await client.write(0, Buffer.alloc(512, 9))
    expect((await client.read(0, 512)).equals(Buffer.alloc(512, 9))).toBe(true)
  })

  test('is not deleted, until it is closed', async () => {
    await activate(disk)
    expect(await world.failure('VDI.destroy', disk.ref)).toContain('VDI_IN_USE')
    client = await NbdClient.connect(link(disk), disk.uuid)
    await client.write(0, Buffer.alloc(512, 9))
    await client.flush()
    client.close()
    await world.plugin('vdi_deactivate', disk)
    await world.call('VDI.destroy', disk.ref)
    expect(await world.names()).toEqual([])
  })

  test('comes up again after its server was killed, with everything that was flushed', async () => {
    await activate(disk)
    client = await NbdClient.connect(link(disk), disk.uuid)
    await client.write(0, Buffer.alloc(MIB, 1))
    await client.flush()
    await client.write(2 * MIB, Buffer.alloc(MIB, 2))
    process.kill(pidOf(disk.uuid), 'SIGKILL')
    await client.closed
    await activate(disk)
    client = await NbdClient.connect(link(disk), disk.uuid)
    expect((await client.read(0, MIB)).equals(Buffer.alloc(MIB, 1))).toBe(true)
    client.close()
    await world.plugin('vdi_deactivate', disk)
  })
})

describe('a snapshot that is open for reading', () => {
  test('goes on under its reader while the disk is reverted to it', async () => {
    await world.write(disk, 1, 0, 1)
    const snapshot = await world.snapshot(disk)
    await world.write(disk, 2, 0, 1)
    await world.write(snapshot, 5, 1, 1)
    await activate(snapshot, 'false')
    client = await NbdClient.connect(link(snapshot), snapshot.uuid)
    expect((await client.read(0, 512)).equals(Buffer.alloc(512, 1))).toBe(true)
    await world.revert(snapshot)
    expect((await client.read(0, 512)).equals(Buffer.alloc(512, 1))).toBe(true)
    expect((await client.read(MIB, 512)).equals(Buffer.alloc(512, 5))).toBe(true)
    expect((await world.record(snapshot)).sm_config).not.toHaveProperty('paused')
    await activate(disk)
    const other = await NbdClient.connect(link(disk), disk.uuid)
    expect((await other.read(MIB, 512)).equals(Buffer.alloc(512, 5))).toBe(true)
    other.close()
  })
})

describe('keys in the record', () => {
  test('of a host that the pool has forgotten do not keep a disk from being opened', async () => {
    await world.call('VDI.add_to_sm_config', disk.ref, 'host_OpaqueRef:00000000-0000-4000-8000-00000000dead', 'RW')
    await activate(disk)
    const { sm_config: config } = await world.record(disk)
    expect(Object.keys(config).filter(key => key.startsWith('host_'))).toEqual([`host_${await world.host()}`])
  })

  test('of an activation under way keep others from it', async () => {
    await world.call('VDI.add_to_sm_config', disk.ref, 'activating', 'True')
    expect(await world.fault('vdi_activate', disk, { args: ['true'] })).toMatchObject({ code: 46 })
    expect((await world.record(disk)).sm_config).not.toHaveProperty(`host_${await world.host()}`)
  })

  test('of another host that is just opening the disk stay, and keep a writer away', async () => {
    await world.call('VDI.add_to_sm_config', disk.ref, 'activating', 'True')
    const other = 'host_OpaqueRef:00000000-0000-4000-8000-00000000dead'
    await world.call('VDI.add_to_sm_config', disk.ref, other, 'RW')
    expect(await world.fault('vdi_activate', disk, { args: ['true'] })).toMatchObject({ code: 46 })
    expect((await world.record(disk)).sm_config).toMatchObject({ activating: 'True', [other]: 'RW' })
  })

  test('of an activation of this host that died do not keep it from the next', async () => {
    await world.call('VDI.add_to_sm_config', disk.ref, 'activating', 'True')
    await world.call('VDI.add_to_sm_config', disk.ref, `host_${await world.host()}`, 'RW')
    await activate(disk)
    expect((await world.record(disk)).sm_config).not.toHaveProperty('activating')
  })

  test('make an activation wait until a paused disk is resumed', async () => {
    await world.call('VDI.add_to_sm_config', disk.ref, 'paused', 'true')
    const activation = activate(disk)
    // Longer than a plugin takes to start and try once.
    await setTimeout(2000)
    expect((await world.record(disk)).sm_config).not.toHaveProperty(`host_${await world.host()}`)
    await world.call('VDI.remove_from_sm_config', disk.ref, 'paused')
    await activation
    expect(servers()).toEqual([disk.uuid])
  })
})

describe('what a crash leaves', () => {
  test('of an activation, a server that no name leads to, ends when the SR is attached again', async () => {
    await activate(disk)
    const server = pidOf(disk.uuid)
    await world.system.files.unlink(link(disk))
    await world.plugin('sr_attach', undefined)
    expect(servers()).toEqual([])
    await expect.poll(() => existsSync(`/proc/${server}`), { timeout: 20_000 }).toBe(false)
    expect((await world.record(disk)).sm_config).not.toHaveProperty(`host_${await world.host()}`)
  })

  test('of a toolstack leaves the disks that are served open', async () => {
    await activate(disk)
    await world.plugin('sr_attach', undefined)
    expect(servers()).toEqual([disk.uuid])
    expect((await world.record(disk)).sm_config).toHaveProperty(`host_${await world.host()}`)
  })

  test('a disk can be closed though no name leads to its server', async () => {
    await activate(disk)
    await world.system.files.unlink(link(disk))
    await world.plugin('vdi_deactivate', disk)
    expect(servers()).toEqual([])
  })

  test('a disk whose server died is snapshotted and closed all the same', async () => {
    await activate(disk)
    process.kill(pidOf(disk.uuid), 'SIGKILL')
    await world.snapshot(disk)
    await world.plugin('vdi_deactivate', disk)
    expect((await world.record(disk)).sm_config).not.toHaveProperty(`host_${await world.host()}`)
  })

  test('a second server of one disk is refused', async () => {
    await activate(disk)
    const registration = path.join(runtime(), `${disk.uuid}.json`)
    const options = JSON.parse(readFileSync(registration, 'utf8')) as Record<string, unknown>
    const program: ChildProcess = spawn(path.join(projectRoot, 'bin/sm-nbd'), [
      JSON.stringify({ ...options, registration, name: disk.uuid, type: 'vhd', limit: { boundary: world.directory } }),
    ])
    let said = ''
    program.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await once(program, 'close')
    expect(JSON.parse(said)).toMatchObject({ ready: false, errno: 16 })
    client = await NbdClient.connect(link(disk), disk.uuid)
    expect((await client.read(0, 512)).equals(Buffer.alloc(512))).toBe(true)
  })
})

async function activate(vdi: Disk, writable = 'true'): Promise<void> {
  expect(await world.plugin('vdi_activate', vdi, { args: [writable] }, {})).not.toContain('<fault>')
}

function link(vdi: Disk): string {
  return path.join(world.paths.nbdLinks, world.srUuid, vdi.uuid)
}

function runtime(): string {
  return path.join(world.paths.runtime, 'datapath')
}

/** Uuids of the VDIs whose servers run. */
function servers(): string[] {
  if (!existsSync(runtime())) return []
  const names = readdirSync(runtime()).filter(name => name.endsWith('.json'))
  return names.map(name => path.basename(name, '.json')).filter(uuid => existsSync(`/proc/${pidOf(uuid)}`))
}

function pidOf(uuid: string): number {
  return (JSON.parse(readFileSync(path.join(runtime(), `${uuid}.json`), 'utf8')) as { pid: number }).pid
}
