import { mkdtempSync, readFileSync, rmSync, statSync, existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { makeLogger, maskSecrets } from '../../../lib/os/log.ts'

let directory: string
let stderr: string[]

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sm-log-'))
  stderr = []
  vi.spyOn(process.stderr, 'write').mockImplementation(text => {
    stderr.push(String(text))
    return true
  })
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  rmSync(directory, { recursive: true })
})

const HEAD = `\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z SM`

describe('a log file', () => {
  it('gets one line per line of text, each with the process id', () => {
    const file = path.join(directory, 'SMlog')
    const log = makeLogger({ spec: file })
    log.info('first\nsecond\n')
    log.error('third')
    const lines = readFileSync(file, 'utf8').split('\n')
    expect(lines).toHaveLength(4)
    expect(lines[0]).toMatch(new RegExp(`^${HEAD} info: \\[${process.pid}\\] first$`))
    expect(lines[1]).toMatch(new RegExp(`^${HEAD} info: \\[${process.pid}\\] second$`))
    expect(lines[2]).toMatch(new RegExp(`^${HEAD} error: \\[${process.pid}\\] third$`))
  })

  it('is kept, private, and only made when there is something to say', () => {
    const file = path.join(directory, 'SMlog')
    const log = makeLogger({ spec: file })
    expect(existsSync(file)).toBe(false)
    log.debug('a')
    makeLogger({ spec: file }).warn('b')
    expect(readFileSync(file, 'utf8').trimEnd().split('\n')).toHaveLength(2)
    expect(statSync(file).mode & 0o077).toBe(0)
  })

  it('cannot be forged or spoilt by what is logged', () => {
    const file = path.join(directory, 'SMlog')
    makeLogger({ spec: file }).info(`a\r\x1b[31mb\0${'x'.repeat(20_000)}`)
    const text = readFileSync(file, 'utf8')
    expect(text).toContain('a\\x0d\\x1b[31mb\\x00xxx')
    expect(text.length).toBeLessThan(9000)
  })

  it('that cannot be written is reported once and fails no operation', () => {
    const log = makeLogger({ spec: path.join(directory, 'no', 'such', 'folder') })
    log.info('a')
    log.info('b')
    expect(stderr).toHaveLength(1)
    expect(stderr[0]).toMatch(/ENOENT/)
  })
})

it('SM_LOG=stderr logs there, SM_LOG=none nowhere', () => {
  vi.stubEnv('SM_LOG', 'stderr')
  makeLogger().info('seen')
  vi.stubEnv('SM_LOG', 'none')
  makeLogger().info('unseen')
  expect(stderr.join('')).toMatch(new RegExp(`^${HEAD} info: \\[${process.pid}\\] seen\n$`))
})

it('without a syslog daemon the lines are dropped and stderr stays empty', async () => {
  const log = makeLogger({ spec: undefined })
  log.info('a')
  await log.flush()
  log.info('b')
  await log.flush()
  expect(stderr).toEqual([])
})

it('passwords, secrets and the session are masked, nothing else', () => {
  expect(
    maskSecrets({
      password: 'a',
      cifspassword: 'b',
      chappassword: 'c',
      incoming_chappassword: 'd',
      password_secret: 'e',
      session_ref: 'OpaqueRef:x',
      chapuser: 'admin',
      target: '10.0.0.1',
    }),
  ).toEqual({
    password: '******',
    cifspassword: '******',
    chappassword: '******',
    incoming_chappassword: '******',
    password_secret: '******',
    session_ref: '******',
    chapuser: 'admin',
    target: '10.0.0.1',
  })
})
