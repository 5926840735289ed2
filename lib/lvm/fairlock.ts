import { connect, type Socket } from 'node:net'
import type { LvmDeps } from './Lvm.ts'

/**
 * Runs `body` while this process has the host's `devicemapper` lock (spec lvhd 11): one LVM or dmsetup process at a time,
 * first come first served. A host without the lock's service goes without.
 */
export async function withFairlock<T>(deps: Pick<LvmDeps, 'system' | 'paths'>, body: () => Promise<T>): Promise<T> {
  const held = await acquire(deps)
  try {
    return await body()
  } finally {
    held?.destroy()
  }
}

async function acquire(deps: Pick<LvmDeps, 'system' | 'paths'>): Promise<Socket | undefined> {
  throw new Error(`not written yet ${deps.paths.deviceMapperLock} ${connect.name}`)
}
