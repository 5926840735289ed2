import { expect, it } from 'vitest'
import { Effects } from '../../../lib/os/effects.ts'
import { CommandError, makeRun } from '../../../lib/os/run.ts'
import { strerror } from '../../../lib/os/strerror.ts'

const run = makeRun(new Effects(''))

it('a failed command says its words, what it printed, and the error its exit code stands for', async () => {
  const failure = run(['sh', '-c', 'echo "failed: -22" >&2; exit 22'])
  await expect(failure).rejects.toThrow(
    `Command ['sh', '-c', 'echo "failed: -22" >&2; exit 22'] failed (failed: -22): Invalid argument`,
  )
  await expect(failure).rejects.toMatchObject({ exitCode: 22, stderr: 'failed: -22\n' })
})

it('an exit code that is no errno is told as such', () => {
  expect(new CommandError(['x'], 200, '', 'reason').message).toBe("Command ['x'] failed (reason): exit code 200")
})

it('a program that is not there is a failed command', async () => {
  await expect(run(['/nonexistent/program'])).rejects.toBeInstanceOf(CommandError)
})

it.each([
  [5, 'Input/output error'],
  [16, 'Device or resource busy'],
  [22, 'Invalid argument'],
  [28, 'No space left on device'],
])('errno %d reads as the C library has it', (errno, text) => {
  expect(strerror(errno)).toBe(text)
})
