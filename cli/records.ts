import { formatDate } from './format/date.ts'
import { OperationError } from './failures.ts'
import { resolveName, type Candidate } from './resolve.ts'
import type { Connection } from './connection.ts'
import type { PbdRecord, SrRecord, VdiRecord } from '../lib/xapi/SmXapi.ts'
import type { Ref } from '../lib/xapi/XapiClient.ts'

/** A storage repository with its connection to this host. */
export interface Sr extends Candidate {
  readonly record: SrRecord
  readonly pbd: { readonly ref: Ref; readonly record: PbdRecord } | undefined
}

export interface Vdi extends Candidate {
  readonly record: VdiRecord
}

const EVERYTHING = 'true'
const SR_KIND = { noun: 'storage repository', listCommand: 'sm sr-list' }
const VDI_KIND = { noun: 'VDI', listCommand: 'sm vdi-list --all' }

export async function allSrs({ xapi }: Connection): Promise<Sr[]> {
  const [srs, pbds] = [await xapi.srRecordsWhere(EVERYTHING), await xapi.pbdRecordsWhere(EVERYTHING)]
  return [...srs].map(([ref, record]) => {
    const [pbd] = [...pbds]
      .filter(([, { SR }]) => SR === ref)
      .map(([pbdRef, found]) => ({ ref: pbdRef, record: found }))
    return { ref, uuid: record.uuid, nameLabel: record.name_label, detail: record.type, record, pbd }
  })
}

/** The SR that a user names; its PBD's uuid or reference will do as well. Throws OperationError. */
export async function findSr(connection: Connection, text: string): Promise<Sr> {
  const srs = await allSrs(connection)
  const byPbd = srs.find(({ pbd }) => pbd !== undefined && (pbd.ref === text || pbd.record.uuid === text))
  return byPbd ?? resolveName(srs, text, SR_KIND)
}

export async function allVdis({ xapi }: Connection): Promise<Vdi[]> {
  return [...(await xapi.vdiRecordsWhere(EVERYTHING))].map(([ref, record]) => toVdi(ref, record))
}

export async function vdisOf({ xapi }: Connection, sr: Sr): Promise<Vdi[]> {
  return [...(await xapi.vdiRecordsOfSr(sr.ref))].map(([ref, record]) => toVdi(ref, record))
}

export async function readVdi({ xapi }: Connection, ref: Ref): Promise<Vdi> {
  return toVdi(ref, await xapi.vdiGetRecord(ref))
}

/** What a command works on: settles a name that a disk shares with its snapshots. */
export type Wanted = 'disk' | 'snapshot' | 'any'

/** The VDI that a user names. A name that a disk shares with its snapshots means what the command is for. Throws OperationError. */
export async function findVdi(connection: Connection, text: string, wanted: Wanted = 'any'): Promise<Vdi> {
  const vdis = await allVdis(connection)
  return resolveName(vdis, text, VDI_KIND, ({ record }) => isWanted(record, wanted))
}

/** The SR of a VDI. */
export async function srOf(connection: Connection, vdi: Vdi): Promise<Sr> {
  const found = (await allSrs(connection)).find(({ ref }) => ref === vdi.record.SR)
  if (found === undefined)
    throw new OperationError(`VDI ${vdi.uuid} belongs to no storage repository that is known here`)
  return found
}

/** Snapshots of a disk, oldest first. */
export function snapshotsOf(vdis: readonly Vdi[], disk: Vdi): Vdi[] {
  return vdis
    .filter(({ record }) => record.is_a_snapshot && record.snapshot_of === disk.ref)
    .sort((a, b) => a.record.snapshot_time.localeCompare(b.record.snapshot_time))
}

export function kindOf({ managed, is_a_snapshot }: VdiRecord): 'base copy' | 'snapshot' | 'disk' {
  if (!managed) return 'base copy'
  return is_a_snapshot ? 'snapshot' : 'disk'
}

function toVdi(ref: Ref, record: VdiRecord): Vdi {
  const kind = kindOf(record)
  const detail = kind === 'snapshot' ? `snapshot, ${formatDate(record.snapshot_time)}` : kind
  return { ref, uuid: record.uuid, nameLabel: record.name_label, detail, record }
}

function isWanted(record: VdiRecord, wanted: Wanted): boolean {
  const kind = kindOf(record)
  return wanted === 'any' ? kind !== 'base copy' : kind === wanted
}
