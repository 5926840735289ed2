import { readdirSync, readFileSync } from 'node:fs'
import * as net from 'node:net'
import { once } from 'node:events'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { EmbeddedVhdUtil } from '../../../lib/vhd/EmbeddedVhdUtil.ts'
import { NbdClient } from '../../support/NbdClient.ts'
import { type Disk, MIB, World } from '../../support/World.ts'

const SIZE_MIB = 64
/** Largest amount of memory that a server may ever take, MiB: what docs/limitations.md says. */
const MEMORY_MIB = 384
/** The largest read there is. */
const READ = 32 * MIB

let world: World
let disk: Disk

beforeAll(async () => {
  world = await World.create({ hostPluginDir: 'bin' })
  disk = await world.createVdi('disk', SIZE_MIB)
  await world.write(disk, 1, 0, SIZE_MIB)
})

afterAll(async () => {
  await world.plugin('vdi_deactivate', disk)
  await world.close()
})

describe('a server', () => {
  beforeEach(async () => {
    await world.plugin('vdi_deactivate', disk)
    expect(await world.plugin('vdi_activate', disk, { args: ['true'] })).not.toContain('<fault>')
  })

  test('keeps nothing of clients that came and went', async () => {
    const before = openFiles()
    for (let round = 0; round < 50; round += 1) {
      const polite = await NbdClient.connect(socket(), disk.uuid)
      await polite.read(0, 4096)
      await polite.disconnect()
      const rude = await NbdClient.connect(socket(), disk.uuid)
      rude.close()
      const silent = await connect()
      silent.destroy()
      const strange = await connect()
      strange.write('GET / HTTP/1.1\r\n\r\n')
      await once(strange, 'close')
    }
    await expect.poll(openFiles, { timeout: 30_000 }).toBeLessThanOrEqual(before)
  })

  test('has bounded memory, however much is asked for and not taken', async () => {
    const clients = await Promise.all(Array.from({ length: 24 }, () => NbdClient.connect(socket(), disk.uuid)))
    // Each asks for more than it takes: what the server has read for it waits.
    for (const client of clients) for (let asked = 0; asked < 4; asked += 1) client.ask(0, READ)
    await expect.poll(() => peakMemoryMib(), { timeout: 30_000 }).toBeGreaterThan(64)
    const last = clients.pop()
    for (const client of clients) client.close()
    for (let taken = 0; taken < 4; taken += 1) expect((await last?.taken(READ))?.length).toBe(READ)
    for (let round = 0; round < 8; round += 1) await last?.write(0, Buffer.alloc(READ, round))
    last?.close()
    expect(peakMemoryMib()).toBeLessThan(MEMORY_MIB)
  })

  test('that is told to end under load keeps every write that it has answered', async () => {
    const clients = await Promise.all([0, 1, 2].map(() => NbdClient.connect(socket(), disk.uuid)))
    const written = clients.map(() => 0)
    const loads = clients.map(async (client, index) => {
      // Each has its own part of the disk; where the server goes away, the write under way fails.
      for (let round = 0; ; round += 1) {
        const at = (index * 16 + (round % 16)) * MIB
        await client.write(at, Buffer.alloc(MIB, 1 + (round % 250)))
        written[index] = round + 1
      }
    })
    const ends = Promise.allSettled(loads)
    await expect.poll(() => Math.min(...written), { timeout: 30_000 }).toBeGreaterThanOrEqual(20)
    await world.plugin('vdi_deactivate', disk)
    expect((await ends).every(({ status }) => status === 'rejected')).toBe(true)
    await new EmbeddedVhdUtil(world.system, { boundary: world.directory }).check(world.vhd(disk.uuid))
    expect(await world.plugin('vdi_activate', disk, { args: ['false'] })).not.toContain('<fault>')
    const reader = await NbdClient.connect(socket(), disk.uuid)
    for (const [index, count] of written.entries()) {
      // The write after the last answered one may be there or not: its place is not looked at.
      for (let round = count - 15; round < count; round += 1) {
        const bytes = await reader.read((index * 16 + (round % 16)) * MIB, MIB)
        expect(bytes.equals(Buffer.alloc(MIB, 1 + (round % 250))), `client ${index}, write ${round}`).toBe(true)
      }
    }
    reader.close()
  })
})

function socket(): string {
  return path.join(world.paths.nbdLinks, world.srUuid, disk.uuid)
}

async function connect(): Promise<net.Socket> {
  const client = net.connect(await world.system.files.realpath(socket()))
  client.on('error', () => undefined)
  client.resume()
  await once(client, 'connect')
  return client
}

function pid(): number {
  const registration = path.join(world.paths.runtime, 'datapath', `${disk.uuid}.json`)
  return (JSON.parse(readFileSync(registration, 'utf8')) as { pid: number }).pid
}

function openFiles(): number {
  return readdirSync(`/proc/${pid()}/fd`).length
}

/** The most that the server has had in memory. */
function peakMemoryMib(): number {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid()}/status`, 'utf8'))?.[1]
  return Number(kib) / 1024
}
