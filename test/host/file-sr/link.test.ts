import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readlinkSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { mayMount } from '../../../drivers/file/mount.ts'
import { decodeMethodResponse, encodeMethodCall } from '../../../lib/smapi/xmlrpc.ts'
import { projectRoot } from '../../support/World.ts'
import { FakeEndpoint, jsonResult } from '../../unit/xapi/fake-endpoint.ts'

const SR = '6f2b9c1e-84d3-4b0a-9d57-2f6a1c3e5b70'

let root: string
let server: FakeEndpoint

beforeEach(async () => {
  root = mkdtempSync(path.join(tmpdir(), 'sm-link-'))
  server = await FakeEndpoint.open(() => jsonResult({}))
})

afterEach(async () => {
  await server.close()
  rmSync(root, { recursive: true })
})

/** Runs the plugin without the right to mount, which it gives up first where it has it. */
function call(command: string, location: string): Promise<unknown> {
  const request = encodeMethodCall(command, [
    { command, args: [], device_config: { location }, session_ref: 'OpaqueRef:s', sr_ref: 'OpaqueRef:sr', sr_uuid: SR },
  ])
  const plugin = [path.join(projectRoot, 'bin/FileSR'), request]
  const [program = '', ...args] = mayMount() ? ['setpriv', '--bounding-set=-sys_admin', ...plugin] : plugin
  const env = { PATH: process.env['PATH'], SM_ROOT: path.join(root, 'root'), SM_XAPI_URL: server.url, SM_LOG: 'none' }
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
    let answer = ''
    child.stdout.on('data', (chunk: Buffer) => (answer += chunk.toString()))
    child.on('error', reject)
    child.on('close', () => {
      resolve(decodeMethodResponse(answer))
    })
  })
}

describe('where it may not mount, FileSR', () => {
  test('is attached by a link, at its new place once its directory was moved', async () => {
    const [before, after] = [path.join(root, 'before'), path.join(root, 'after')]
    const link = path.join(root, 'root/run/sr-mount', SR)
    mkdirSync(before)
    expect(await call('sr_attach', before)).toEqual({ value: null })
    expect(readlinkSync(link)).toBe(before)
    renameSync(before, after)
    expect(await call('sr_detach', before)).toEqual({ value: null })
    expect(await call('sr_attach', after)).toEqual({ value: null })
    expect(readlinkSync(link)).toBe(after)
    expect(await call('sr_detach', after)).toEqual({ value: null })
    expect(() => readlinkSync(link)).toThrow('ENOENT')
  })
})
