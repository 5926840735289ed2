import path from 'node:path'
import type { Connection } from '../../cli/connection.ts'
import type { VdiRecord } from '../../lib/xapi/SmXapi.ts'
import type { Ref } from '../../lib/xapi/XapiClient.ts'
import { readContent, type Content, type ImagePlace } from './content.ts'
import type { Report } from './Report.ts'

/** A disk as it was at some moment: who it was and what it held. */
export interface Moment {
  readonly snapshot: Ref
  readonly content: Content
}

/** The objects that the demo is about. */
export interface Cast {
  readonly sr: { readonly ref: Ref; readonly uuid: string }
  readonly disk: { readonly ref: Ref; readonly uuid: string; readonly name: string }
  /** Before anything was overwritten, 1 GiB. */
  readonly first: Moment
  /** After it was overwritten and grown, 2 GiB. */
  readonly second: Moment
}

export function placeOf({ environment }: Connection, srUuid: string, vdiUuid: string): ImagePlace {
  const directory = environment.paths.srMount(srUuid)
  return { system: environment.system, directory, file: path.join(directory, `${vdiUuid}.vhd`) }
}

/** Proves that the disk holds exactly what it held at a moment, and is still the same disk. */
export async function proveState(
  connection: Connection,
  report: Report,
  { cast, moment, claim }: { cast: Cast; moment: Moment; claim: string },
): Promise<void> {
  const { sr, disk } = cast
  const content = await readContent(placeOf(connection, sr.uuid, disk.uuid))
  const record: VdiRecord = await connection.xapi.vdiGetRecord(disk.ref)
  const names = await connection.environment.system.files.list(connection.environment.paths.srMount(sr.uuid))
  report.prove(claim, {
    'every byte': content.checksum === moment.content.checksum,
    size: content.size === moment.content.size && record.virtual_size === moment.content.size,
    uuid: record.uuid === disk.uuid,
    reference: (await connection.xapi.vdiGetByUuid(disk.uuid)) === disk.ref,
    name: record.name_label === disk.name,
    'nothing left over': !names.some(name => /^(?:revert|snapshot)_|\.(?:new|revert)$/.test(name)),
  })
}
