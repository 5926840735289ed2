import { expect, test } from 'vitest'
import { explainFailure } from '../../../cli/explain.ts'
import { XapiError } from '../../../lib/xapi/XapiClient.ts'

const backendFailure = (code: number, description: string) =>
  explainFailure(new XapiError(`SR_BACKEND_FAILURE_${code}`, ['', description, '']))

test.each([
  [78, 'Creating the VDI failed. [opterr=error 28]', 'ENOSPC: no space left on device'],
  [81, 'Cloning the VDI failed. [opterr=VDI clone failed error 13]', 'EACCES: permission denied'],
  [61, 'Creating failed. [opterr=fail to mount FileSR. Errno is 30]', 'EROFS: read-only file system'],
])('a bare error number in an SM error %d is put into words', async (code, description, words) => {
  const { message } = await backendFailure(code, description)
  expect(message).toContain(description)
  expect(message).toContain(words)
})

test.each(['fail to mount FileSR. Errno is 32', 'no such error 9999', 'error 28 was another one'])(
  '%s is no error number of the system',
  async detail => {
    const description = `Failed. [opterr=${detail}]`
    expect((await backendFailure(61, description)).message).toBe(`FileSRCreate (61): ${description}`)
  },
)

test('where space is short the advice says how to get some', async () => {
  for (const detail of ['error 28', 'disk.vhd: ENOSPC: no space left on device, write']) {
    expect((await backendFailure(110, `Resizing failed. [opterr=${detail}]`)).advice).toEqual([
      expect.stringContaining('Free some space'),
    ])
  }
})
