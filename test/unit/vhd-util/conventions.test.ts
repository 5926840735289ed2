import { describe, expect, it } from 'vitest'
import path from 'node:path'
import { scratch } from '../vhd/support.ts'
import { vhdUtil } from './run.ts'

const COMMANDS = 'create snapshot query read set repair resize fill coalesce modify scan check revert key copy'.split(
  ' ',
)
const HELP_IS_SUCCESS = new Set(['query', 'snapshot', 'check', 'scan', 'key'])

async function makeDisk(): Promise<string> {
  const disk = path.join(scratch(), 'd.vhd')
  expect((await vhdUtil(['create', '-n', disk, '-s', '10'])).exitCode).toBe(0)
  return disk
}

describe('the command line', () => {
  it.each([[[]], [['nonsense']], [['constructor']]])('lists the commands for %j and succeeds', async argv => {
    const { exitCode, stdout, stderr } = await vhdUtil(argv)
    expect(exitCode).toBe(0)
    expect(stdout).toBe(`usage: vhd-util COMMAND [OPTIONS]\nCOMMAND := { ${COMMANDS.join(' | ')} }\n`)
    expect(stderr).toBe(argv.length === 0 ? '' : `invalid COMMAND ${argv[0] ?? ''}\n`)
  })

  it.each(COMMANDS)('%s without options prints its usage and exits with EINVAL', async command => {
    const { exitCode, stdout } = await vhdUtil([command])
    expect(exitCode).toBe(22)
    expect(stdout).toMatch(new RegExp(`^usage: vhd-util ${command} .+\n$`))
  })

  it.each(COMMANDS)('%s -h prints its usage', async command => {
    const { exitCode, stdout } = await vhdUtil([command, '-h'])
    expect(exitCode).toBe(HELP_IS_SUCCESS.has(command) ? 0 : 22)
    expect(stdout).toContain(`usage: vhd-util ${command}`)
  })

  it('complains about unknown options and missing values on stderr', async () => {
    expect(await vhdUtil(['query', '-n', 'x', '-Z'])).toMatchObject({
      exitCode: 22,
      stderr: "query: invalid option -- 'Z'\n",
    })
    expect(await vhdUtil(['query', '-n'])).toMatchObject({
      exitCode: 22,
      stderr: "query: option requires an argument -- 'n'\n",
    })
  })

  it('takes options combined, permuted, with values attached, and --debug anywhere', async () => {
    const disk = await makeDisk()
    const expected = { exitCode: 0, stdout: '10\n3584\nhidden: 0\n0\n' }
    for (const argv of [
      ['query', '-vsaf', '-n', disk],
      ['query', '-n', disk, '-f', '-a', '-s', '-v'],
      ['query', `-favsn${disk}`],
      ['--debug', 'query', '-vs', `-n${disk}`, '--debug', '-af'],
    ]) {
      expect(await vhdUtil(argv)).toMatchObject(expected)
    }
  })

  it('refuses words that are no options, and numbers that are none', async () => {
    const disk = await makeDisk()
    expect((await vhdUtil(['query', '-v', '-n', disk, 'more'])).exitCode).toBe(22)
    expect((await vhdUtil(['query', '-v', '-n', disk, '--', '-s'])).exitCode).toBe(22)
    for (const size of ['ten', '-5', '1e3', '99999999999999999999']) {
      expect(await vhdUtil(['create', '-n', `${disk}2`, '-s', size])).toMatchObject({ exitCode: 22 })
    }
  })

  it('tells failures on stdout with the errno as exit code', async () => {
    const missing = path.join(scratch(), 'missing.vhd')
    const opening = `error opening ${missing}: -2\n`
    expect(await vhdUtil(['query', '-v', '-n', missing])).toMatchObject({ exitCode: 2, stdout: opening, stderr: '' })
    expect(await vhdUtil(['modify', '-z', '-n', missing])).toMatchObject({ exitCode: 2, stdout: opening })
    expect(await vhdUtil(['repair', '-n', missing])).toMatchObject({ exitCode: 2, stdout: opening })
    expect(await vhdUtil(['query', '-v', '-n', path.dirname(missing)])).toMatchObject({ exitCode: 21 })
    expect((await vhdUtil(['check', '-n', missing])).stdout).toMatch(/^cannot stat .*: 2\n/)
    expect((await vhdUtil(['check', '-n', path.dirname(missing)])).stdout).toMatch(
      /^.* is not a regular file or block device\n/,
    )
  })
})
