import path from 'node:path'
import { isErrno } from '../../lib/os/files.ts'
import { isUuid } from '../../lib/smapi/members.ts'
import { pauseVdi, unpauseVdi, type PausableVdi } from '../pause.ts'
import { findVdi } from '../records.ts'
import type { LvhdFamilySR } from './LvhdFamilySR.ts'

/**
 * Pauses a VDI and notes on this host that it was us, so that a process that dies does not leave it paused: the next
 * command on this host resumes it. The note need not outlive the host's memory: a host that starts attaches the SR, which
 * drops every pause.
 * @returns false, with nothing changed, where it is paused already or a host refuses
 */
export async function pauseNoted(sr: LvhdFamilySR, vdi: PausableVdi): Promise<boolean> {
  await notePause(sr, vdi.uuid)
  if (await pauseVdi(sr.context, vdi)) return true
  await sr.context.system.files.unlinkIfPresent(path.join(directoryOf(sr), vdi.uuid))
  return false
}

/** Has the end of the recovery resume a VDI, where it is paused: whoever paused it is gone. */
export async function notePause(sr: LvhdFamilySR, uuid: string): Promise<void> {
  const { files } = sr.context.system
  await files.makeDirectory(directoryOf(sr), { recursive: true })
  await files.append(path.join(directoryOf(sr), uuid), '')
}

/**
 * Resumes a VDI that `pauseNoted` paused. False, logged, where that fails or a journal of the VDI is not settled: settling
 * it may remove what a guest would write meanwhile. The note stays then.
 */
export async function resumeNoted(sr: LvhdFamilySR, uuid: string, secondary?: string): Promise<boolean> {
  try {
    if (await sr.journals.has(uuid)) {
      sr.context.log.error(`VDI ${uuid} stays paused until its interrupted operation is settled`)
      return false
    }
    const ref = await findVdi(sr.context.xapi, uuid)
    const isPaused = ref !== undefined && 'paused' in (await sr.context.xapi.vdiGetSmConfig(ref))
    if (isPaused && !(await unpauseVdi(sr.context, { ref, uuid }, secondary))) return false
    await sr.context.system.files.unlinkIfPresent(path.join(directoryOf(sr), uuid))
    return true
  } catch (error) {
    sr.context.log.error(`VDI ${uuid} is left paused to the next command: ${String(error)}`)
    return false
  }
}

/** Resumes what a process that died left paused. The caller holds the SR lock, so that no such process is at work. */
export async function resumeLeftPaused(sr: LvhdFamilySR): Promise<void> {
  for (const uuid of await notedPauses(sr)) {
    sr.context.log.warn(`VDI ${uuid} was left paused`)
    await resumeNoted(sr, uuid)
  }
}

async function notedPauses(sr: LvhdFamilySR): Promise<string[]> {
  try {
    return (await sr.context.system.files.list(directoryOf(sr))).filter(isUuid)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return []
    throw error
  }
}

function directoryOf(sr: LvhdFamilySR): string {
  return path.join(sr.context.paths.runtime, 'paused', sr.uuid)
}
