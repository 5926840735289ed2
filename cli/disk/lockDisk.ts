import type { Connection } from '../connection.ts'
import { OperationError } from '../failures.ts'
import { findVdi, kindOf, readVdi, srOf, type Sr, type Vdi } from '../records.ts'
import { nameOf } from '../resolve.ts'
import type { System } from '../../lib/os/system.ts'

export type Purpose = 'import' | 'export'

/** A disk that nobody else changes until it is released. */
export interface LockedDisk {
  readonly vdi: Vdi
  readonly sr: Sr
  readonly system: System
  /** The SR's directory; no image outside it may be opened. */
  readonly directory: string
  readonly file: string
  release(): Promise<void>
}

const LOCK_WAIT_MS = 60_000

/**
 * Takes the SR lock and makes sure that the disk can be read or written by hand: nobody has it open and no interrupted
 * operation is pending. The session may end while the lock is held.
 * Throws OperationError with what stands in the way, and SmError LockErr where the SR stays busy.
 */
export async function lockDisk(connection: Connection, text: string, purpose: Purpose): Promise<LockedDisk> {
  const { LockManager } = await import('../../lib/lock/Lock.ts')
  const { paths, system } = connection.environment
  const named = await findVdi(connection, text, 'disk')
  const sr = await srOf(connection, named)
  const locks = new LockManager(paths, system.effects)
  await locks.lock(sr.uuid, 'sr', { timeoutMs: LOCK_WAIT_MS })
  try {
    const vdi = await readVdi(connection, named.ref)
    requireSuitable(vdi, purpose)
    const directory = await requireDirectory(connection, sr)
    await requireIdle(connection, vdi)
    const file = await findFile(system, directory, vdi)
    return { vdi, sr, system, directory, file, release: () => locks.releaseAll() }
  } catch (error) {
    await locks.releaseAll()
    throw error
  }
}

function requireSuitable(vdi: Vdi, purpose: Purpose): void {
  const kind = kindOf(vdi.record)
  if (kind === 'base copy') {
    throw new OperationError(`${nameOf(vdi)} is a hidden base copy that other disks share`, [
      'Name one of the disks built on it: sm tree',
    ])
  }
  if (purpose === 'export') return
  if (kind === 'snapshot') {
    throw new OperationError(`${nameOf(vdi)} is a snapshot and must not change`, [
      `Write to a copy of it: sm vdi-clone ${vdi.uuid}`,
    ])
  }
  if (vdi.record.read_only) throw new OperationError(`${nameOf(vdi)} is read-only`)
  if (vdi.record.cbt_enabled) {
    throw new OperationError(
      `changed block tracking is on for ${nameOf(vdi)}: what is written here would be missing in its log`,
    )
  }
}

async function requireIdle({ xapi }: Connection, vdi: Vdi): Promise<void> {
  const key = Object.keys(vdi.record.sm_config).find(name => /^host_|^(?:paused|activating|relinking)$/.test(name))
  if (key !== undefined) {
    throw new OperationError(`${nameOf(vdi)} is in use (${key})`, [
      'Shut down or detach whatever has it open.',
      'If nothing has, sm pbd-unplug SR and sm pbd-plug SR clear what was left over.',
    ])
  }
  const vbds = [...(await xapi.vbdRecordsWhere(`field "VDI" = "${vdi.ref}"`)).values()]
  const attached = vbds.find(vbd => vbd.currently_attached)
  if (attached !== undefined) {
    throw new OperationError(`a virtual machine has ${nameOf(vdi)} attached (VBD ${attached.uuid})`, [
      'Shut it down first.',
    ])
  }
}

/** The mounted directory of an SR that keeps disks as files, without pending journals. */
async function requireDirectory({ environment }: Connection, sr: Sr): Promise<string> {
  const [{ isMounted }, { findLeftovers }] = await Promise.all([
    import('../../drivers/file/mount.ts'),
    import('../../drivers/file/layout.ts'),
  ])
  const { files } = environment.system
  const directory = environment.paths.srMount(sr.uuid)
  const isAttached = sr.pbd?.record.currently_attached === true && (await isMounted(files, directory))
  if (!isAttached) {
    throw new OperationError(`${nameOf(sr)} is not attached, or keeps its disks elsewhere than in files`, [
      `Attach it: sm pbd-plug ${sr.uuid}`,
    ])
  }
  const { reverts, snapshots, resizes } = findLeftovers(await files.list(directory))
  if (reverts.length + snapshots.length + resizes.length > 0) {
    throw new OperationError(`an interrupted operation is pending in ${nameOf(sr)}`, [
      `Finish or undo it: sm sr-scan ${sr.uuid}`,
    ])
  }
  return directory
}

async function findFile({ files }: System, directory: string, vdi: Vdi): Promise<string> {
  const { isUuid, rawName, vhdName } = await import('../../drivers/file/layout.ts')
  if (!isUuid(vdi.uuid)) throw new OperationError(`${nameOf(vdi)} has a malformed uuid`)
  for (const name of [vhdName(vdi.uuid), rawName(vdi.uuid)]) {
    if (await files.exists(`${directory}/${name}`)) return `${directory}/${name}`
  }
  throw new OperationError(`no image of ${nameOf(vdi)} is in ${directory}`, [
    `Bring the database in line: sm sr-scan ${vdi.record.SR}`,
  ])
}
