import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Paths } from '../../../lib/os/paths.ts'
import { decodeMethodCall, encodeMethodResponse } from '../../../lib/smapi/xmlrpc.ts'
import { SmXapi } from '../../../lib/xapi/SmXapi.ts'
import { Box } from './box.ts'

const OTHER = 'OpaqueRef:other-host'
const GONE = 'OpaqueRef:host-that-is-off'

let box: Box
let xapi: SmXapi
const asked: { plugin: string; method: string; args: unknown }[] = []

beforeAll(async () => {
  box = await Box.open()
  await box.toolstack.close()
  const file = path.join(new Paths(box.root).toolstackState, 'toolstack', 'state.json')
  const state = JSON.parse(await readFile(file, 'utf8')) as { objects: Record<string, Record<string, object>> }
  Object.assign(state.objects['host'] ?? {}, { [OTHER]: { uuid: 'other' }, [GONE]: { uuid: 'gone' } })
  await writeFile(file, JSON.stringify(state))
  await box.restart({
    elsewhere: host => (plugin, document) => {
      if (host === GONE) return Promise.reject(new Error('no route'))
      const { method, params } = decodeMethodCall(document)
      asked.push({ plugin, method, args: params[1] })
      const stdout = Buffer.from(encodeMethodResponse('answered there'))
      return Promise.resolve({ exitCode: 0, signal: undefined, stdout, stderr: Buffer.alloc(0) })
    },
  })
  xapi = new SmXapi(box.api)
})
afterAll(async () => {
  await box.close()
})

test('plugins of another host run there, those of this one here', async () => {
  expect(await xapi.hostCallPlugin(OTHER, 'greet', 'hello', { who: 'you' })).toBe('answered there')
  expect(asked).toEqual([{ plugin: 'greet', method: 'hello', args: { who: 'you' } }])
  expect(await xapi.hostCallPlugin(await xapi.poolGetMaster(), 'greet', 'hello', {})).toBe('hello')
  expect(asked).toHaveLength(1)
})

test('a host that is not reached is off line', async () => {
  const call = xapi.hostCallPlugin(GONE, 'greet', 'hello', {})
  await expect(call).rejects.toMatchObject({ code: 'HOST_OFFLINE', params: [GONE] })
})
