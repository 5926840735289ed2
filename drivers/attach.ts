import type { SR } from './SR.ts'
import { SmError } from '../lib/smapi/SmError.ts'

/**
 * sr_attach as every driver does it (spec smapi 7.3): forget what this host had open, mark the SR dirty, attach, and on
 * the master scan. The scan's failure is not fatal: it becomes a message, and the attach reports its own outcome.
 */
export async function attachWithScan(sr: SR): Promise<void> {
  const { xapi, request, log } = sr.context
  const srRef = request.srRef ?? (await xapi.srGetByUuid(sr.uuid))
  await resetAttachments(sr, srRef)
  if (request.isMaster) {
    await xapi.srAddToOtherConfig(srRef, 'dirty', '').catch((error: unknown) => {
      log.debug(`SR ${sr.uuid} is marked dirty already: ${String(error)}`)
    })
  }
  try {
    await sr.attach()
  } finally {
    if (request.isMaster) await scanAfterAttach(sr)
  }
}

async function scanAfterAttach(sr: SR): Promise<void> {
  try {
    await sr.recover()
    await sr.scan()
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    sr.context.log.error(`scan after attach of SR ${sr.uuid} failed: ${text}`)
    await sr.context.xapi.messageCreate({
      name: 'POST_ATTACH_SCAN_FAILED',
      priority: 2,
      className: 'SR',
      objectUuid: sr.uuid,
      body: `The scan after SR ${sr.uuid} was attached failed: ${text}`,
    })
  }
}

/** A host that attaches an SR has nothing of it open: its activation keys are stale, and on the master so is every pause. */
async function resetAttachments(sr: SR, srRef: string): Promise<void> {
  const { xapi, request, locks, gc } = sr.context
  if (!(await gc.abort(sr.uuid))) throw new SmError('SMGeneral', 'the garbage collector of this SR cannot be stopped')
  const running = await locks.lock(sr.uuid, 'running', { timeoutMs: 60_000 })
  try {
    const ours = `host_${request.hostRef ?? ''}`
    for (const [ref, record] of await xapi.vdiRecordsOfSr(srRef)) {
      if (ours in record.sm_config) await xapi.vdiRemoveFromSmConfig(ref, ours)
      if (request.isMaster && 'paused' in record.sm_config) await xapi.vdiRemoveFromSmConfig(ref, 'paused')
    }
  } finally {
    await running.release()
  }
}
