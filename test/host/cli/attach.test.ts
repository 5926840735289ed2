import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { NbdClient } from '../../support/NbdClient.ts'
import { MIB, Workbench } from './workbench.ts'

let bench: Workbench
let client: NbdClient | undefined

beforeAll(async () => {
  bench = new Workbench()
  await bench.ok('sr-create', 'store', '--location', 'disks')
  await bench.ok('vdi-create', 'store', 'disk', '--size', '8MiB')
})

afterEach(async () => {
  client?.close()
  client = undefined
  await bench.ok('vdi-detach', 'disk', '--force')
})

afterAll(() => {
  bench.remove()
})

/** What `vdi-attach` prints for scripts. */
function attach(...options: string[]): Promise<{ uuid: string; uri: string; socket: string }> {
  return bench.json('vdi-attach', 'disk', ...options)
}

test('a disk is opened for programs of this machine, and keeps what they write', async () => {
  const { uuid, uri, socket } = await attach()
  expect(uri).toBe(`nbd+unix:///${uuid}?socket=${socket}`)
  client = await NbdClient.connect(socket, uuid)
  expect(client.size).toBe(8 * MIB)
  await client.write(MIB, Buffer.alloc(512, 3))
  client.close()
  await bench.ok('vdi-detach', 'disk')
  client = await NbdClient.connect((await attach('--read-only')).socket, uuid)
  expect(client.isReadOnly).toBe(true)
  expect((await client.read(MIB, 512)).equals(Buffer.alloc(512, 3))).toBe(true)
})

test('an open disk is not opened again, nor reverted', async () => {
  await bench.ok('vdi-snapshot', 'disk', 'before')
  await attach()
  const again = await bench.sm(['vdi-attach', 'disk'])
  expect(again.code).toBe(1)
  expect(again.stderr).toMatch(/is open already[^]*vdi-detach/)
  expect(await bench.sm(['vdi-revert', 'before'])).toMatchObject({ code: 1 })
})

test('a disk is not closed under its clients', async () => {
  const { socket, uuid } = await attach()
  client = await NbdClient.connect(socket, uuid)
  const refused = await bench.sm(['vdi-detach', 'disk'])
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain('in use by 1 client')
  expect((await client.read(0, 512)).length).toBe(512)
})

test('closing a closed disk is no error', async () => {
  await bench.ok('vdi-detach', 'disk')
})
