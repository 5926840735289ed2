import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Workbench } from './workbench.ts'

const program = fileURLToPath(new URL('../../../bin/sm', import.meta.url))
const drivers = fileURLToPath(new URL('../../fixtures/plugins/sm', import.meta.url))

let bench: Workbench
let servers: ChildProcess[]
beforeEach(() => {
  bench = new Workbench()
  servers = []
})
afterEach(async () => {
  for (const server of servers) {
    if (server.exitCode !== null || server.signalCode !== null) continue
    server.kill('SIGKILL')
    await once(server, 'exit')
  }
  bench.remove()
})

interface Server {
  readonly process: ChildProcess
  /** Where it says it listens. */
  readonly urls: readonly string[]
  said(): string
}

/** Starts `sm toolstack` and waits until it has said where it listens. */
async function serve(expected: number, ...args: string[]): Promise<Server> {
  const env = { PATH: process.env['PATH'], HOME: bench.folder, SM_ROOT: bench.root }
  const child = spawn(process.execPath, [program, 'toolstack', '--plugins', drivers, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  servers.push(child)
  let [stdout, stderr] = ['', '']
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString()
      if (stdout.split('\n').length > expected) resolve()
    })
    child.on('exit', code => {
      reject(new Error(`sm toolstack ended with ${String(code)}: ${stderr}`))
    })
  })
  const urls = [...stdout.matchAll(/^listening on (.+)$/gm)].map(([, url = '']) => url)
  return { process: child, urls, said: () => stderr }
}

async function call(url: string, method: string, ...params: unknown[]): Promise<Record<string, unknown>> {
  const body = JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 })
  const response = await fetch(`${url}/jsonrpc`, { method: 'POST', body })
  return (await response.json()) as Record<string, unknown>
}

test('serves on the socket, where other commands find it, until it is told to end', async () => {
  const server = await serve(1)
  expect(server.urls).toEqual([`unix:${bench.root}/var/lib/xcp/xapi`])
  expect(await bench.ok('sr-list')).toBe('')
  server.process.kill('SIGTERM')
  const [code] = (await once(server.process, 'exit')) as [number]
  expect(code).toBe(0)
  expect((await serve(1)).urls).toHaveLength(1)
})

test.each([
  ['{', /state\.json is damaged: it is no JSON/],
  ['{"format":7}', /state\.json is no state file of format 1/],
])('a state file that holds %s is left alone, and the user told which it is and what to do', async (text, message) => {
  const file = path.join(bench.root, 'var/lib/sm/toolstack/state.json')
  await mkdir(path.dirname(file), { recursive: true })
  await writeFile(file, text)
  const { code, stderr } = await bench.sm(['sr-list'])
  expect(code).toBe(1)
  expect(stderr).toMatch(message)
  expect(stderr).toContain('xe sr-introduce')
  expect(stderr).not.toMatch(/^\s+at /m)
  expect(await readFile(file, 'utf8')).toBe(text)
})

test('lets in over TCP who knows the password it made, and shows the page', async () => {
  const server = await serve(2, '--listen', '127.0.0.1:0')
  const url = server.urls[1] ?? ''
  const file = path.join(bench.root, 'var/lib/sm/toolstack/password')
  expect(server.said()).toContain(file)
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  const password = (await readFile(file, 'utf8')).trim()
  expect(password.length).toBeGreaterThan(20)
  expect(await call(url, 'session.login_with_password', 'root', password)).toHaveProperty('result')
  expect(await call(url, 'session.login_with_password', 'root', '')).toMatchObject({
    error: { message: 'SESSION_AUTHENTICATION_FAILED' },
  })
  const page = await fetch(`${url}/`)
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
  expect(await page.text()).toContain('<title>')
  expect((await fetch(`${url}/../package.json`)).status).toBe(405)
})

test('takes its password, socket and state from where it is told to', async () => {
  const password = path.join(bench.folder, 'password')
  await writeFile(password, 'chosen\nignored\n')
  await chmod(password, 0o600)
  const [socket, state] = [path.join(bench.folder, 'own.sock'), path.join(bench.folder, 'own-state')]
  const more = ['--socket', socket, '--state', state, '--password-file', password]
  const server = await serve(2, '--listen', '127.0.0.1:0', ...more)
  expect(server.urls[0]).toBe(`unix:${socket}`)
  expect(await call(server.urls[1] ?? '', 'session.login_with_password', 'root', 'chosen')).toHaveProperty('result')
  expect((await stat(path.join(state, 'state.json'))).isFile()).toBe(true)
})

test('has our host plugins at hand, as a snapshot of an attached disk needs them', async () => {
  const server = await serve(2, '--listen', '127.0.0.1:0')
  const url = server.urls[1] ?? ''
  const password = (await readFile(path.join(bench.root, 'var/lib/sm/toolstack/password'), 'utf8')).trim()
  const { result: session } = await call(url, 'session.login_with_password', 'root', password)
  const { result: hosts } = (await call(url, 'host.get_all', session)) as { result: string[] }
  const args = { vdiUuid: '11111111-1111-4111-8111-111111111111', srRef: 'OpaqueRef:none' }
  const answer = await call(url, 'host.call_plugin', session, hosts[0], 'on-slave', 'is_open', args)
  // It was asked, and looked for that SR.
  expect(answer['error']).toMatchObject({ data: ['is_open', 'XapiError', 'HANDLE_INVALID: SR, OpaqueRef:none'] })
})

test('logs what it does in words, without secrets', async () => {
  const server = await serve(2, '--listen', '127.0.0.1:0')
  const url = server.urls[1] ?? ''
  const password = (await readFile(path.join(bench.root, 'var/lib/sm/toolstack/password'), 'utf8')).trim()
  const { result: session } = await call(url, 'session.login_with_password', 'root', password)
  await call(url, 'secret.create', String(session), 'not a struct')
  await call(url, 'VM.revert', String(session), 'OpaqueRef:none')
  await expect
    .poll(() => server.said(), { timeout: 30_000 })
    .toMatch(/^\d\d:\d\d:\d\d VM\.revert: HANDLE_INVALID \(\d+ ms\)$/m)
  expect(server.said()).not.toContain(password)
  expect(server.said()).not.toContain(String(session))
})

test.each([
  [['--listen', '0.0.0.0:80'], /no loopback address/],
  [['--listen', 'localhost'], /ADDRESS:PORT/],
  [['--password-file', '/none', '--listen', '127.0.0.1:0'], /there is no file/],
])('%j is refused', async (args, reason) => {
  const { code, stdout, stderr } = await bench.sm(['toolstack', ...args])
  expect(code).not.toBe(0)
  expect([stdout, stderr]).toEqual(['', expect.stringMatching(reason)])
})

test('a password that others may read is refused', async () => {
  const password = path.join(bench.folder, 'password')
  await writeFile(password, 'seen\n')
  await chmod(password, 0o644)
  const { code, stderr } = await bench.sm(['toolstack', '--listen', '127.0.0.1:0', '--password-file', password])
  expect(code).toBe(1)
  expect(stderr).toContain(`chmod 600 ${password}`)
  expect(stderr).not.toContain('seen')
})

test('a second one on the same state is refused', async () => {
  await serve(1)
  const { code, stderr } = await bench.sm(['toolstack', '--socket', path.join(bench.folder, 'other.sock')])
  expect(code).toBe(1)
  expect(stderr).toContain('another toolstack')
})
