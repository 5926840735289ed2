import { readFileSync } from 'node:fs'
import { chmod, writeFile } from 'node:fs/promises'
import * as http from 'node:http'
import * as https from 'node:https'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Box } from '../toolstack/box.ts'
import { xe, type Outcome } from './run.ts'

const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/tls/${name}`, import.meta.url))
const certificate = readFileSync(fixture('certificate.pem'))
const fingerprint = new X509Certificate(certificate).fingerprint256

/** What the pool in front of the toolstack has of VDI.revert, as pools of other versions do. */
let forms: readonly number[] = [2, 3]
let passwordsSeen = 0
let box: Box
let pool: https.Server
beforeAll(async () => {
  box = await Box.open({ listen: { host: '127.0.0.1', port: 0, user: 'root', password: 'pool secret' } })
  pool = https.createServer({ cert: certificate, key: readFileSync(fixture('key.pem')) }, (request, response) => {
    void relay(request, response)
  })
  await new Promise<void>(resolve => pool.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  pool.close()
  pool.closeAllConnections()
  await box.close()
})

async function relay(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  const body = Buffer.concat(chunks).toString()
  const { method, params, id } = JSON.parse(body) as { method: string; params: unknown[]; id: number }
  if (body.includes('pool secret')) passwordsSeen += 1
  if (method === 'VDI.revert' && !forms.includes(params.length)) {
    const message = forms.length === 0 ? 'MESSAGE_METHOD_UNKNOWN' : 'MESSAGE_PARAMETER_COUNT_MISMATCH'
    response.setHeader('Content-Type', 'application/json')
    response.end(JSON.stringify({ jsonrpc: '2.0', error: { code: 1, message, data: [method] }, id }))
    return
  }
  const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }
  const onward = http.request(`${box.toolstack.tcpUrl ?? ''}/jsonrpc`, { method: 'POST', headers }, answer => {
    response.writeHead(answer.statusCode ?? 500, answer.headers)
    answer.pipe(response)
  })
  onward.end(body)
}

function remote(args: readonly string[], trust: readonly string[]): Promise<Outcome> {
  const { port } = pool.address() as AddressInfo
  const login = ['-s', '127.0.0.1', '-p', String(port), '-u', 'root', '-pw', 'pool secret']
  return xe(box, [...args, ...login, ...trust])
}

describe('over HTTPS', () => {
  test('a certificate that nobody vouches for is refused before the password is sent', async () => {
    const before = passwordsSeen
    const { code, stderr } = await remote(['sr-list'], [])
    expect(code).toBe(1)
    expect(stderr).toMatch(/self.signed certificate/)
    expect(passwordsSeen).toBe(before)
  })

  test('a pinned certificate must be the very one', async () => {
    const before = passwordsSeen
    const { code, stderr } = await remote(['sr-list'], ['--pin-sha256', 'ab'.repeat(32)])
    expect(code).toBe(1)
    expect(stderr).toContain(fingerprint.replaceAll(':', '').toLowerCase())
    expect(passwordsSeen).toBe(before)
  })

  test.each([
    ['its own authority', ['--ca-file', fixture('certificate.pem')]],
    ['its fingerprint', ['--pin-sha256', fingerprint]],
    ['no questions asked', ['--insecure']],
  ])('a certificate known by %s is accepted', async (_how, trust) => {
    expect(await remote(['sm-list', 'type=fake', 'params=type', '--minimal'], trust)).toEqual({
      code: 0,
      stdout: 'fake\n',
      stderr: '',
    })
  })

  test('a wrong password is said to be wrong, and is not shown', async () => {
    const { port } = pool.address() as AddressInfo
    const wrong = ['-s', 'localhost', '-p', String(port), '-u', 'root', '-pw', 'guessed', '--insecure']
    const { code, stdout, stderr } = await xe(box, ['sr-list', ...wrong])
    expect([code, stdout, stderr]).toEqual([1, '', 'The user name or the password is wrong.\n'])
  })

  test('the password can come from a file', async () => {
    const file = `${box.root}/password`
    await writeFile(file, 'pool secret\n')
    await chmod(file, 0o600)
    const { port } = pool.address() as AddressInfo
    const login = ['-s', '127.0.0.1', '-p', String(port), '-u', 'root', '-pwf', file, '--insecure']
    expect((await xe(box, ['sm-list', '--minimal', ...login])).code).toBe(0)
  })

  test('without encryption a password goes nowhere', async () => {
    const { code, stderr } = await xe(box, ['sr-list', '-s', 'pool.example', '-u', 'root', '-pw', 'x', '--nossl'])
    expect([code, stderr]).toEqual([1, '--nossl would show the password to the network\n'])
  })
})

describe('on a pool of another version', () => {
  const prepare = async () => {
    const vdi = await box.makeVdi(await box.makeSr())
    const snapshot = await box.text('VDI.snapshot', vdi)
    return { vdi: await box.text('VDI.get_uuid', vdi), snapshot: await box.text('VDI.get_uuid', snapshot) }
  }
  const revert = (snapshot: string, ...more: string[]) =>
    remote(['vdi-revert', `snapshot-uuid=${snapshot}`, ...more], ['--insecure'])

  test('without VDI.revert, that is said and a clone offered', async () => {
    forms = []
    const { vdi, snapshot } = await prepare()
    const refused = await revert(snapshot)
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toBe(
      'This pool has no VDI.revert. With --allow-clone a clone of the snapshot is made instead.\n',
    )
    const cloned = await revert(snapshot, '--allow-clone')
    expect(cloned.code).toBe(0)
    expect(cloned.stdout.trim()).not.toBe(vdi)
    expect(cloned.stderr).toContain('the disk stays as it is')
  })

  test('with the short form only, a disk goes back in place all the same', async () => {
    forms = [2]
    const { vdi, snapshot } = await prepare()
    expect(await revert(snapshot, '--allow-clone')).toEqual({ code: 0, stdout: `${vdi}\n`, stderr: '' })
    const refused = await revert(snapshot, 'driver-params:a=b')
    expect(refused.stderr).toContain('takes no driver-params')
    forms = [2, 3]
    expect(await revert(snapshot, 'driver-params:a=b')).toMatchObject({ code: 0, stdout: `${vdi}\n` })
  })
})
