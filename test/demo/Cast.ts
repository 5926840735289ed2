import type { Connection } from '../../cli/connection.ts'
import type { VdiRecord } from '../../lib/xapi/SmXapi.ts'
import type { Ref } from '../../lib/xapi/XapiClient.ts'
import { readContent, type Content } from './content.ts'
import { useDisk } from './guestDisk.ts'
import type { Report } from './Report.ts'
import type { DemoStorage } from './storage.ts'

/** A disk as it was at some moment: who it was and what it held. */
export interface Moment {
  readonly snapshot: Ref
  readonly content: Content
}

/** The objects that the demo is about. */
export interface Cast {
  readonly storage: DemoStorage
  readonly sr: { readonly ref: Ref; readonly uuid: string }
  readonly disk: { readonly ref: Ref; readonly uuid: string; readonly name: string }
  /** Before anything was overwritten, 1 GiB. */
  readonly first: Moment
  /** After it was overwritten and grown, 2 GiB. */
  readonly second: Moment
}

/** Proves that the disk holds exactly what it held at a moment, and is still the same disk. */
export async function proveState(
  connection: Connection,
  report: Report,
  { cast, moment, claim }: { cast: Cast; moment: Moment; claim: string },
): Promise<void> {
  const { sr, disk, storage } = cast
  const content = await useDisk(connection, disk.uuid, readContent)
  const record: VdiRecord = await connection.xapi.vdiGetRecord(disk.ref)
  report.prove(claim, {
    'every byte': content.checksum === moment.content.checksum,
    size: content.size === moment.content.size && record.virtual_size === moment.content.size,
    uuid: record.uuid === disk.uuid,
    reference: (await connection.xapi.vdiGetByUuid(disk.uuid)) === disk.ref,
    name: record.name_label === disk.name,
    'nothing left over': (await storage.leftovers(connection, sr.uuid)).length === 0,
  })
}
