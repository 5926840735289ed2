import { SmError } from '../../lib/smapi/SmError.ts'
import type { ActivatableVdi } from './ActivatableVdi.ts'

/** As long as a snapshot or a collector may keep a disk paused (spec datapath 4.1). */
const TRIES = 120
const WAIT_MS = 1000

/**
 * Attempts something under the lock of a VDI until it says that it is done; in between others may have the lock, who hold
 * the disk back. @throws SmError VDIUnavailable when they do not let go
 */
export async function retrying(vdi: ActivatableVdi, attempt: () => Promise<boolean>): Promise<void> {
  const { locks, log } = vdi.sr.context
  for (let tries = 1; tries <= TRIES; tries += 1) {
    const lock = await locks.lock(vdi.uuid, 'vdi')
    try {
      if (await attempt()) return
    } finally {
      await lock.release()
    }
    log.debug(`VDI ${vdi.uuid} is being changed; attempt ${tries} of ${TRIES} has to wait`)
    await new Promise(resolve => setTimeout(resolve, WAIT_MS))
  }
  throw new SmError('VDIUnavailable', `VDI ${vdi.uuid} locked`)
}
