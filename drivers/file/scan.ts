import { SmError } from '../../lib/smapi/SmError.ts'
import type { VhdScanError, VhdScanRow } from '../../lib/vhd/VhdUtil.ts'
import { synchronise, type ScannedVdi } from '../records.ts'
import { fileSystemCapacity, writeStatistics } from '../statistics.ts'
import type { FileFamilySR } from './FileFamilySR.ts'
import { findCollectorLeftovers, isUuid, uuidOfVhd, uuidsOfUnknownFormat } from './layout.ts'
import { pendingVdis } from './recovery.ts'

/** What the directory of a file SR holds. */
export interface DirectoryScan {
  readonly names: readonly string[]
  readonly vhds: readonly VhdScanRow[]
}

/**
 * Reads the directory and the headers of all its VHDs.
 * @throws SmError SRScan where one of them cannot be read: nothing may be forgotten on incomplete knowledge
 */
export async function scanDirectory(sr: FileFamilySR): Promise<DirectoryScan> {
  const names = await sr.listNames()
  const rows = await (await sr.vhdUtil()).scan(sr.path)
  const broken = rows.find((row): row is VhdScanError => 'error' in row)
  if (broken !== undefined) {
    sr.context.log.error(`${broken.name} is no readable VHD: ${broken.error.message}`)
    throw new SmError('SRScan', `uuid=${uuidOfVhd(broken.name)}`)
  }
  return { names, vhds: rows.filter((row): row is VhdScanRow => !('error' in row)) }
}

/** sr_scan: statistics and records follow the directory (spec file-sr 7). */
export async function scanSr(sr: FileFamilySR): Promise<void> {
  const directory = await scanDirectory(sr)
  const vdis = await scannedVdis(sr, directory)
  const capacity = await fileSystemCapacity(sr, sr.path)
  // An SR that was unmounted under the scan looks empty: nothing may be forgotten then.
  if (!(await sr.isAttached())) throw new SmError('SRUnavailable', `not mounted ${sr.path}`)
  await sr.context.gc.kick(sr.uuid)
  const hidden = new Set(directory.vhds.filter(row => row.hidden).map(row => uuidOfVhd(row.name)))
  const allocation = vdis.filter(vdi => !hidden.has(vdi.uuid)).reduce((sum, vdi) => sum + vdi.virtualSize, 0)
  await writeStatistics(sr, allocation, capacity)
  const kept = await keptWithoutImage(sr, directory.names)
  await synchronise(sr.context.xapi, await sr.srRef(), vdis, uuid => kept.has(uuid))
}

/** Disks whose records stay though no image of theirs was found: it may have another format, or another name for now. */
async function keptWithoutImage(sr: FileFamilySR, names: readonly string[]): Promise<Set<string>> {
  return new Set([...uuidsOfUnknownFormat(names), ...findCollectorLeftovers(names).leaves, ...(await pendingVdis(sr))])
}

/** The VDIs that records are kept for: all but hidden leaves, which wait for the collector. */
async function scannedVdis(sr: FileFamilySR, directory: DirectoryScan): Promise<ScannedVdi[]> {
  const logs = await statAll(sr, directory.names, 'cbtlog')
  const raws = await statAll(sr, directory.names, 'raw')
  const parents = new Set(
    directory.vhds.flatMap(row => (row.parentName === undefined ? [] : [uuidOfVhd(row.parentName)])),
  )
  const vdis = new Map<string, ScannedVdi>()
  for (const [uuid, size] of logs) vdis.set(uuid, logOnlyVdi(uuid, size))
  for (const [uuid, size] of raws) vdis.set(uuid, rawVdi(uuid, size))
  for (const row of directory.vhds) {
    const uuid = uuidOfVhd(row.name)
    vdis.delete(uuid)
    if (!isUuid(uuid)) {
      sr.context.log.warn(`${row.name} is no disk of this SR: its name is not a uuid`)
      continue
    }
    if (!row.hidden || parents.has(uuid))
      vdis.set(uuid, vhdVdi(row, { isParent: parents.has(uuid), hasLog: logs.has(uuid) }))
  }
  return [...vdis.values()]
}

function vhdVdi(row: VhdScanRow, facts: { isParent: boolean; hasLog: boolean }): ScannedVdi {
  return {
    uuid: uuidOfVhd(row.name),
    type: 'user',
    virtualSize: row.virtualSize,
    physicalUtilisation: row.physicalSize,
    readOnly: facts.isParent,
    managed: !row.hidden,
    cbtEnabled: facts.hasLog,
    smConfig: {
      'vhd-parent': row.parentName === undefined ? undefined : uuidOfVhd(row.parentName),
      key_hash: row.keyHash,
    },
  }
}

function rawVdi(uuid: string, size: number): ScannedVdi {
  return { ...wholeFile(uuid, size), type: 'user', cbtEnabled: false, smConfig: { type: 'raw' } }
}

/** A change log whose disk is gone (spec file-sr 7.1 2d). */
function logOnlyVdi(uuid: string, size: number): ScannedVdi {
  return { ...wholeFile(uuid, size), type: 'cbt_metadata', cbtEnabled: true, smConfig: {} }
}

function wholeFile(uuid: string, size: number) {
  return { uuid, virtualSize: size, physicalUtilisation: size, readOnly: false, managed: true }
}

async function statAll(sr: FileFamilySR, names: readonly string[], extension: string): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  for (const name of names) {
    const uuid = name.slice(0, -extension.length - 1)
    if (!name.endsWith(`.${extension}`) || !isUuid(uuid)) continue
    found.set(uuid, (await sr.context.system.files.stat(sr.file(name))).size)
  }
  return found
}
