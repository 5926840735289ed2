import type { Connection } from '../connection.ts'
import { OperationError } from '../failures.ts'
import { formatDate } from '../format/date.ts'
import { printable } from '../format/text.ts'
import { allVdis, findVdi, snapshotsOf, srOf, type Sr, type Vdi } from '../records.ts'
import { nameOf } from '../resolve.ts'

/** A snapshot, the disk it was taken of, and where both are. */
export interface RevertChoice {
  readonly snapshot: Vdi
  readonly target: Vdi
  readonly sr: Sr
}

export interface RevertOptions {
  readonly keepSize: boolean
  readonly json: boolean
}

/** The snapshot that a user names, with its disk. Throws OperationError where it is no snapshot or its disk is gone. */
export async function chooseRevert(connection: Connection, text: string): Promise<RevertChoice> {
  const snapshot = await findVdi(connection, text, 'snapshot')
  const vdis = await allVdis(connection)
  if (!snapshot.record.is_a_snapshot) throw noSnapshot(snapshot, snapshotsOf(vdis, snapshot))
  const target = vdis.find(({ ref }) => ref === snapshot.record.snapshot_of)
  if (target === undefined) {
    throw new OperationError(`the disk that ${nameOf(snapshot)} was taken of is gone`, [
      `Make a new disk of it: sm vdi-clone ${snapshot.uuid}`,
    ])
  }
  return { snapshot, target, sr: await srOf(connection, snapshot) }
}

function noSnapshot(disk: Vdi, snapshots: readonly Vdi[]): OperationError {
  const lines = snapshots.map(({ uuid, nameLabel, record }) => {
    return `  ${uuid}  ${printable(nameLabel)}  ${formatDate(record.snapshot_time)}`
  })
  if (!disk.record.managed)
    return new OperationError(`${nameOf(disk)} is a base copy and not a snapshot`, [
      'sm tree shows what is built on it',
    ])
  const advice =
    lines.length === 0 ? ['It has none yet: sm vdi-snapshot VDI'] : ['Name the snapshot to go back to:', ...lines]
  return new OperationError(`${nameOf(disk)} is not a snapshot`, advice)
}
