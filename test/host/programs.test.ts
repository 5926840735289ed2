import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
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

/** Runs a program of `bin/` with xapi's environment: no HOME, no LANG, no standard input. */
function run(program: string, args: readonly string[], stdout: 'pipe' | number = 'pipe'): Promise<Outcome> {
  const env = {
    PATH: `/usr/sbin:/usr/bin:/sbin:/bin:${path.dirname(process.execPath)}`,
    ORIGINATOR: 'SM',
    SM_LOG: 'none',
  }
  return new Promise((resolve, reject) => {
    const child = spawn(path.join(projectRoot, 'bin', program), args, { env, stdio: ['ignore', stdout, 'pipe'] })
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
    return await run(program, args, full)
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
