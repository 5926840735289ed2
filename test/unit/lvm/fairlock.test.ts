import * as fs from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { withFairlock } from '../../../lib/lvm/fairlock.ts'
import { Paths } from '../../../lib/os/paths.ts'
import { fakeGroup } from './support.ts'

let deps: Parameters<typeof withFairlock>[0]
let servers: Server[]

beforeEach(() => {
  const lvm = fakeGroup()
  deps = { system: lvm.system(), paths: new Paths(lvm.root) }
  fs.mkdirSync(path.dirname(deps.paths.deviceMapperLock), { recursive: true })
  servers = []
})

afterEach(async () => {
  for (const server of servers) {
    await new Promise(resolve => {
      server.close(resolve)
    })
  }
})

/** Serves the lock: one at a time, in the order of asking. `told` is what the holders said. */
async function serve(onConnection: (socket: Socket) => void): Promise<void> {
  const server = createServer(onConnection)
  servers.push(server)
  await new Promise<void>(resolve => server.listen(deps.paths.deviceMapperLock, resolve))
}

async function serveFairly(): Promise<string[]> {
  const told: string[] = []
  const waiting: Socket[] = []
  await serve(socket => {
    waiting.push(socket)
    socket.on('data', data => told.push(data.toString()))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      waiting.splice(waiting.indexOf(socket), 1)
      waiting[0]?.write('LOCK\0')
    })
    if (waiting.length === 1) socket.write('LOCK\0')
  })
  return told
}

test('one LVM process runs at a time, and each says who it is', async () => {
  const told = await serveFairly()
  let running = 0
  let most = 0
  const work = () =>
    withFairlock(deps, async () => {
      running += 1
      most = Math.max(most, running)
      await new Promise(resolve => setImmediate(resolve))
      running -= 1
    })
  await Promise.all([work(), work(), work(), work()])
  expect(most).toBe(1)
  await expect.poll(() => told.length).toBe(4)
  for (const text of told) expect(text).toMatch(new RegExp(`^${process.pid} - \\d+(\\.\\d+)?$`))
})

test('the lock is free again after a failure', async () => {
  await serveFairly()
  await expect(withFairlock(deps, () => Promise.reject(new Error('failed')))).rejects.toThrow('failed')
  expect(await withFairlock(deps, () => Promise.resolve('done'))).toBe('done')
})

test('a server that stops while somebody waits is asked again', async () => {
  let asked = 0
  await serve(socket => {
    asked += 1
    socket.on('error', () => undefined)
    socket.resume()
    if (asked === 1) socket.end()
    else socket.write('LOCK\0')
  })
  expect(await withFairlock(deps, () => Promise.resolve('done'))).toBe('done')
  expect(asked).toBe(2)
})

test('a host without the lock goes without', async () => {
  expect(await withFairlock(deps, () => Promise.resolve('done'))).toBe('done')
  fs.writeFileSync(deps.paths.deviceMapperLock, '')
  expect(await withFairlock(deps, () => Promise.resolve('done'))).toBe('done')
})
