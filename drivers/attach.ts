import { describeError } from '../lib/os/describeError.ts'
import { SmError } from '../lib/smapi/SmError.ts'
import type { Ref } from '../lib/xapi/XapiClient.ts'
import type { SR } from './SR.ts'

/**
 * sr_attach as every driver does it (spec smapi 7.3): forget what this host had open, mark the SR dirty, attach, and on
 * the master recover, drop stale pauses and scan. A failure of these is not fatal: it becomes a message, and the attach
 * reports its own outcome. Pauses are dropped after recovery and not before it, as the reference does: by them recovery
 * knows what an interrupted operation left paused on other hosts.
 */
export async function attachWithScan(sr: SR): Promise<void> {
  const { xapi, request, log } = sr.context
  const srRef = request.srRef ?? (await xapi.srGetByUuid(sr.uuid))
  await forgetAttachments(sr, srRef)
  if (request.isMaster) {
    await xapi.srAddToOtherConfig(srRef, 'dirty', '').catch((error: unknown) => {
      log.debug(`SR ${sr.uuid} is marked dirty already: ${String(error)}`)
    })
  }
  try {
    await sr.attach()
  } finally {
    if (request.isMaster) await tidyAfterAttach(sr, srRef)
  }
}

/**
 * A host that attaches an SR has nothing of it open: its activation keys are stale, but those of disks that something
 * still serves, as when only the toolstack was started again (spec datapath 5).
 */
async function forgetAttachments(sr: SR, srRef: Ref): Promise<void> {
  const { xapi, request, locks, gc } = sr.context
  const running = (await gc.abort(sr.uuid)) ? await locks.tryLock(sr.uuid, 'running') : undefined
  if (running === undefined) throw new SmError('SMGeneral', 'the garbage collector of this SR cannot be stopped')
  try {
    const ours = `host_${request.hostRef ?? ''}`
    const { closeUnknown } = await import('./datapath/closeUnknown.ts')
    const served = await closeUnknown(sr)
    for (const [ref, record] of await xapi.vdiRecordsOfSr(srRef)) {
      if (!(ours in record.sm_config) || served.has(record.uuid)) continue
      const isAlone = !Object.keys(record.sm_config).some(key => key.startsWith('host_') && key !== ours)
      if (isAlone && 'activating' in record.sm_config) await xapi.vdiRemoveFromSmConfig(ref, 'activating')
      await xapi.vdiRemoveFromSmConfig(ref, ours)
    }
  } finally {
    await running.release()
  }
}

async function tidyAfterAttach(sr: SR, srRef: Ref): Promise<void> {
  try {
    await sr.recover()
    await dropStalePauses(sr, srRef)
    await sr.scan()
  } catch (error) {
    sr.context.log.error(`scan after attach of SR ${sr.uuid} failed: ${describeError(error)}`)
    await reportScanFailure(sr, error instanceof Error ? error.message : String(error))
  }
}

/** On the master nobody is in the middle of an operation now, unless its journal says so. */
async function dropStalePauses(sr: SR, srRef: Ref): Promise<void> {
  const { xapi } = sr.context
  const pending = await sr.pendingVdis()
  for (const [ref, record] of await xapi.vdiRecordsOfSr(srRef)) {
    if ('paused' in record.sm_config && !pending.has(record.uuid)) await xapi.vdiRemoveFromSmConfig(ref, 'paused')
  }
}

async function reportScanFailure(sr: SR, text: string): Promise<void> {
  try {
    await sr.context.xapi.messageCreate({
      name: 'POST_ATTACH_SCAN_FAILED',
      priority: 2,
      className: 'SR',
      objectUuid: sr.uuid,
      body: `The scan after SR ${sr.uuid} was attached failed: ${text}`,
    })
  } catch (error) {
    sr.context.log.error(`the message about SR ${sr.uuid} could not be made: ${String(error)}`)
  }
}
