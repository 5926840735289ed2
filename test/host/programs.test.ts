import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { decodeMethodResponse, encodeMethodCall } from '../../lib/smapi/xmlrpc.ts'
import { projectRoot } from '../support/World.ts'

const plugins = [
  'FileSR',
  'EXTSR',
  'NFSSR',
  'LVHDSR',
  'LVHDoISCSISR',
  'LVHDoHBASR',
  'LVMSR',
  'LVMoISCSISR',
  'LVMoHBASR',
]
const hostPlugins = ['on-slave', 'tapdisk-pause', 'trim', 'lvhd-thin']
const driverInfo = encodeMethodCall('sr_get_driver_info', [
  { command: 'sr_get_driver_info', args: [], device_config: {} },
])

interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

interface RunOptions {
  readonly stdout?: 'pipe' | number
  readonly env?: Readonly<Record<string, string>>
}

/** Runs a program of `bin/` with xapi's environment: no HOME, no LANG, no standard input. */
function run(program: string, args: readonly string[], { stdout = 'pipe', env }: RunOptions = {}): Promise<Outcome> {
  const plain = { PATH: `/usr/sbin:/usr/bin:/sbin:/bin:${path.dirname(process.execPath)}`, ORIGINATOR: 'SM' }
  return new Promise((resolve, reject) => {
    const child = spawn(path.join(projectRoot, 'bin', program), args, {
      env: { ...plain, SM_LOG: 'none', ...env },
      stdio: ['ignore', stdout, 'pipe'],
    })
    const said = { stdout: '', stderr: '' }
    child.stdout?.on('data', (chunk: Buffer) => (said.stdout += chunk.toString()))
    child.stderr?.on('data', (chunk: Buffer) => (said.stderr += chunk.toString()))
    child.on('error', reject)
    child.on('close', code => {
      resolve({ code, ...said })
    })
  })
}

/** Runs a program whose output goes to a file on a disk that is full. */
async function runOnFullDisk(program: string, args: readonly string[]): Promise<Outcome> {
  const full = openSync('/dev/full', 'w')
  try {
    return await run(program, args, { stdout: full })
  } finally {
    closeSync(full)
  }
}

describe.each(plugins)('%s as xapi starts it', plugin => {
  test('tells what it can do, and says nothing else', async () => {
    const { code, stdout, stderr } = await run(plugin, [driverInfo])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^<\?xml/)
    const answer = decodeMethodResponse(stdout)
    expect(answer).toMatchObject({ value: { required_api_version: '1.0' } })
    expect(answer).toHaveProperty('value.capabilities', expect.arrayContaining(['VDI_REVERT', 'VDI_ACTIVATE']))
  })

  test('answers with a fault, and exit code 0, what is no call', async () => {
    const { code, stdout, stderr } = await run(plugin, ['<methodCall>'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(decodeMethodResponse(stdout)).toMatchObject({ fault: { code: 143 } })
  })
})

test('a fault that may not say its reason is explained in the log', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'sm-programs-'))
  const log = path.join(folder, 'log')
  const sr_uuid = '6f2b9c1e-84d3-4b0a-9d57-2f6a1c3e5b70'
  const device_config = { SRmaster: 'true', location: path.join(folder, 'no-such-folder/sr') }
  const members = { args: ['0'], device_config, session_ref: 'OpaqueRef:a-session', sr_ref: 'OpaqueRef:sr', sr_uuid }
  try {
    const env = { SM_ROOT: folder, SM_LOG: log, SM_XAPI_URL: `unix:${folder}/none` }
    const { stdout } = await run('FileSR', [encodeMethodCall('sr_create', [members])], { env })
    expect(decodeMethodResponse(stdout)).toMatchObject({ fault: { code: 61 } })
    expect(stdout).not.toContain('opterr')
    const text = readFileSync(log, 'utf8')
    expect(text).toMatch(/sr_create failed: SmError[^]*caused by: Error: ENOENT: .*no-such-folder/)
    expect(text).not.toContain('a-session')
  } finally {
    rmSync(folder, { recursive: true })
  }
})

describe('an output that cannot be written', () => {
  test.each([...plugins, ...hostPlugins])('makes %s end with exit code 1 and one line on stderr', async program => {
    const { code, stderr } = await runOnFullDisk(program, [driverInfo])
    expect(code).toBe(1)
    expect(stderr).toMatch(/^the answer .*ENOSPC.*\n$/)
  })

  test.each([
    ['sm', ['--help'], 1, /^sm: .*ENOSPC.*\n$/],
    ['xe', ['help'], 1, /^xe: .*ENOSPC.*\n$/],
    ['vhd-util', ['read', '-h'], 28, /^$/],
  ])('makes %s fail without a stack trace', async (program, args, exitCode, message) => {
    const { code, stderr } = await runOnFullDisk(program, args)
    expect(code).toBe(exitCode)
    expect(stderr).toMatch(message)
  })
})
