import { getSystemErrorName } from 'node:util'
import { errnoError } from './effects.ts'
import { loadLibc } from './libc.ts'

/** `BLKFLSBUF` of <linux/fs.h>. */
const FLUSH_BUFFERS = 0x1261

/** Makes the kernel forget what it has cached of an open block device, after writing back what is dirty of it. */
export async function dropCache(fd: number): Promise<void> {
  const { errno } = (await loadLibc()).ioctl(fd, FLUSH_BUFFERS, 0)
  if (errno !== undefined) throw errnoError(getSystemErrorName(-errno), 'BLKFLSBUF')
}
