import { getSystemErrorName } from 'node:util'
import { errnoError } from './effects.ts'
import { loadLibc } from './libc.ts'

/** See `OpenFile.dropCache`. Throws EACCES where this process is not root. */
export async function flushBuffers(fd: number, path: string): Promise<void> {
  const { errno } = await (await loadLibc()).flushBuffers(fd)
  if (errno !== undefined) throw errnoError(getSystemErrorName(-errno), `flushing the buffers of ${path}`)
}
