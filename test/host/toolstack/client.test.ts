import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import * as http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Effects } from '../../../lib/os/effects.ts'
import { Paths } from '../../../lib/os/paths.ts'
import { makeSystem } from '../../../lib/os/system.ts'
import { startToolstack } from '../../../lib/toolstack/toolstack.ts'
import { SmXapi } from '../../../lib/xapi/SmXapi.ts'
import { XapiError } from '../../../lib/xapi/XapiClient.ts'
import { connectXapi, type LocalSession, type XapiEndpoint } from '../../../lib/xapi/XapiEndpoint.ts'
import { Box } from './box.ts'

let box: Box
let sr: string
beforeAll(async () => {
  box = await Box.open()
  sr = await box.makeSr()
})
afterAll(async () => {
  await box.close()
})

/** Stands in front of the toolstack and has no JSON-RPC, like old endpoints. */
async function withoutJson(url: string): Promise<{ url: string; close: () => void }> {
  const server = http.createServer((request, response) => {
    if (request.url === '/jsonrpc') {
      response.writeHead(404).end('not here')
      return
    }
    const { method, headers } = request
    const onward = http.request({ socketPath: url.slice('unix:'.length), path: '/', method, headers }, answer => {
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(response)
    })
    request.pipe(onward)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const close = () => {
    server.close()
    server.closeAllConnections()
  }
  return { url: `http://127.0.0.1:${port}`, close }
}

describe.each(['JSON-RPC', 'XML-RPC'])('a client that speaks %s', protocol => {
  let endpoint: XapiEndpoint
  let session: LocalSession
  let closeProxy: () => void
  beforeEach(async () => {
    const target =
      protocol === 'XML-RPC' ? await withoutJson(box.toolstack.url) : { url: box.toolstack.url, close() {} }
    closeProxy = () => {
      target.close()
    }
    endpoint = connectXapi(target.url, { effects: new Effects(''), paths: new Paths(box.root) })
    session = await endpoint.loginLocal()
  })
  afterEach(async () => {
    await session.logout()
    await endpoint.close()
    closeProxy()
  })

  test('gets whole records with sizes as numbers and blanks in names as they are', async () => {
    const vdi = await box.makeVdi(sr, { name_label: '  two  \u00e9\u{1f600}<&> ', sm_config: {} })
    const xapi = new SmXapi(session)
    expect(await xapi.vdiGetRecord(vdi)).toMatchObject({
      SR: sr,
      virtual_size: 4194304,
      managed: true,
      snapshot_time: '19700101T00:00:00Z',
      name_label: '  two  \u00e9\u{1f600}<&> ',
      sm_config: {},
    })
    expect((await xapi.vdiRecordsOfSr(sr)).get(vdi)?.location).toBe(await xapi.vdiGetLocation(vdi))
    expect(await xapi.vdiGetVirtualSize(vdi)).toBe(4194304)
    expect(await xapi.vdiGetIsASnapshot(vdi)).toBe(false)
  })

  test('writes maps, and hears when a key exists', async () => {
    const xapi = new SmXapi(session)
    const vdi = await box.makeVdi(sr)
    await xapi.vdiSetSmConfig(vdi, { a: '', 'b c': '<x>' })
    await xapi.vdiAddToSmConfig(vdi, '__proto__', 'p')
    expect(Object.entries(await xapi.vdiGetSmConfig(vdi))).toEqual([
      ['a', ''],
      ['b c', '<x>'],
      ['__proto__', 'p'],
    ])
    await xapi.vdiRemoveFromSmConfig(vdi, 'b c')
    await expect(xapi.vdiAddToSmConfig(vdi, 'a', 'x')).rejects.toMatchObject({
      code: 'MAP_DUPLICATE_KEY',
      params: ['VDI', 'sm_config', vdi, 'a'],
    })
    await xapi.vdiRemoveFromSmConfig(vdi, 'absent')
  })

  test('is told what a driver can do', async () => {
    expect(await new SmXapi(session).smCapabilities('fake')).toContain('VDI_REVERT')
    expect(await new SmXapi(session).smCapabilities('unknown')).toEqual([])
  })

  test('may not change what belongs to plugins', async () => {
    const xapi = new SmXapi(session)
    const vdi = await box.makeVdi(sr)
    const denied = { code: 'PERMISSION_DENIED', params: [''] }
    await expect(xapi.vdiSetVirtualSize(vdi, 1)).rejects.toMatchObject(denied)
    await expect(xapi.vdiSetManaged(vdi, false)).rejects.toMatchObject(denied)
    await expect(xapi.vdiDbForget(vdi)).rejects.toMatchObject(denied)
    await expect(xapi.srSetPhysicalSize(sr, 1)).rejects.toMatchObject(denied)
    const introduction = { uuid: crypto.randomUUID(), name_label: '', name_description: '', SR: sr, type: 'user' }
    const flags = { sharable: false, read_only: false, managed: true, cbt_enabled: false, sm_config: {} }
    const sizes = { virtual_size: 1, physical_utilisation: 1, location: 'l' }
    await expect(xapi.vdiDbIntroduce({ ...introduction, ...flags, ...sizes })).rejects.toMatchObject(denied)
  })

  test('creates messages and reads secrets', async () => {
    const xapi = new SmXapi(session)
    const message = { name: 'N', priority: 3, className: 'SR', objectUuid: 'u', body: 'text' } as const
    expect(await box.record('message', await xapi.messageCreate(message))).toMatchObject({ priority: 3, cls: 'SR' })
    const secret = await box.text('secret.create', { value: 'hush', other_config: {} })
    expect(await xapi.secretGetValue(await box.text('secret.get_uuid', secret))).toBe('hush')
  })

  test('calls host plugins', async () => {
    const xapi = new SmXapi(session)
    const host = await xapi.poolGetMaster()
    expect(await xapi.hostCallPlugin(host, 'greet', 'hello', {})).toBe('hello')
    expect(await xapi.hostCallPlugin(host, 'greet', 'hello', { who: 'world' })).toBe('hello world')
    const failure = (plugin: string, fn: string) => xapi.hostCallPlugin(host, plugin, fn, {})
    await expect(failure('absent', 'f')).rejects.toMatchObject({ code: 'XENAPI_MISSING_PLUGIN', params: ['absent'] })
    await expect(failure('../host/greet', 'f')).rejects.toMatchObject({ code: 'XENAPI_MISSING_PLUGIN' })
    await expect(failure('greet', 'refuse')).rejects.toMatchObject({ code: 'MY_ERROR', params: ['detail'] })
    const params = ['fail', 'non-zero exit', 'went wrong\n']
    await expect(failure('greet', 'fail')).rejects.toMatchObject({ code: 'XENAPI_PLUGIN_FAILURE', params })
  })

  test('hears typed errors that never show its session', async () => {
    await expect(session.call('VDI.get_uuid', 'OpaqueRef:none')).rejects.toMatchObject({
      code: 'HANDLE_INVALID',
      params: ['VDI', 'OpaqueRef:none'],
    })
    const stranger = endpoint.session('OpaqueRef:stranger')
    const failure: unknown = await stranger.call('SR.get_all').catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(XapiError)
    expect(failure).toMatchObject({ code: 'SESSION_INVALID', params: ['******'] })
    expect(String(failure)).not.toContain('stranger')
  })
})

test('a tree so deep that socket paths are too long for the kernel works too', async () => {
  const base = await mkdtemp(path.join(tmpdir(), 'deep-'))
  const root = path.join(base, 'd'.repeat(60), 'e'.repeat(60))
  await mkdir(root, { recursive: true })
  const paths = new Paths(root)
  const toolstack = await startToolstack({ system: makeSystem(), paths, smDir: path.join(root, 'none') })
  const endpoint = connectXapi(undefined, { effects: new Effects(''), paths })
  const session = await endpoint.loginLocal()
  expect(await session.call('pool.get_all')).toHaveLength(1)
  await endpoint.close()
  await toolstack.close()
  await rm(base, { recursive: true })
})
