import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildProgram } from '../../../cli/program.ts'
import { Workbench } from './workbench.ts'

let bench: Workbench

beforeAll(() => {
  bench = new Workbench()
})

afterAll(() => {
  bench.remove()
})

test('help names the environment variables, the exit codes and first steps', async () => {
  const { code, stdout } = await bench.sm(['--help'])
  expect(code).toBe(0)
  for (const text of ['SM_ROOT', 'SM_XAPI_URL', 'SM_LOG', 'SM_VHD_UTIL', 'Exit codes', 'sm sr-create my-sr']) {
    expect(stdout).toContain(text)
  }
  expect((await bench.sm([])).stdout).toBe(stdout)
})

test('every command shows examples of its own', () => {
  const { commands } = buildProgram()
  expect(commands.length).toBeGreaterThan(15)
  for (const command of commands) {
    let help = ''
    command.configureOutput({ writeOut: text => (help += text) }).outputHelp()
    expect(help, command.name()).toMatch(new RegExp(`Examples:\\n.*sm ${command.name()}`))
  }
})

test.each([
  ['an unknown command', ['vdi-rewind'], /unknown command 'vdi-rewind'/],
  ['a mistyped command', ['vdi-lst'], /Did you mean vdi-list\?/],
  ['an unknown option', ['vdi-list', '--fast'], /unknown option '--fast'/],
  ['a missing option', ['vdi-create', 'sr', 'name'], /'--size <size>' not specified/],
  ['a missing name', ['vdi-create', 'sr', '--size', '2MiB'], /give the disk a name/],
  ['an ambiguous size', ['vdi-create', 'sr', 'name', '--size', '10GB'], /write GiB/],
  ['no size at all', ['vdi-resize', 'disk', 'huge'], /'huge' is not a size/],
  ['too many arguments', ['vdi-revert', 'one', 'two'], /too many arguments/],
  ['a name that cannot be kept', ['vdi-create', 'sr', 'a\u0001b', '--size', '2MiB'], /Control characters/],
  ['a pair without a value', ['sr-create', 'sr', '--device-config', 'location'], /key=value/],
])('%s is a usage error with exit code 2', async (_, args, message) => {
  const { code, stdout, stderr } = await bench.sm(args)
  expect(code).toBe(2)
  expect(stderr).toMatch(message)
  expect(stdout).toBe('')
})

test('a toolstack that does not answer is a failure that says what to check', async () => {
  const { code, stderr } = await bench.sm(['sr-list'], { env: { SM_XAPI_URL: `unix:${bench.path('nothing')}` } })
  expect(code).toBe(1)
  expect(stderr).toMatch(/does not answer[^]*SM_XAPI_URL/)
})

test('a toolstack url that is none is told from one that does not answer', async () => {
  const { code, stderr } = await bench.sm(['sr-list'], { env: { SM_XAPI_URL: 'xapi.example' } })
  expect(code).toBe(1)
  expect(stderr).toMatch(/^sm: SM_XAPI_URL: .*unix:[^]*Unset it/)
})
