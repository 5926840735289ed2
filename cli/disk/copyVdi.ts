import type { Connection } from '../connection.ts'
import { print, printJson } from '../output.ts'
import { findVdi, readVdi, type Wanted } from '../records.ts'
import { vdiJson } from '../shapes.ts'

export interface CopyOptions {
  readonly nameLabel?: string
  readonly json?: true
}

export interface Copy {
  readonly method: 'VDI.snapshot' | 'VDI.clone'
  readonly vdi: string
  readonly wanted: Wanted
  readonly name: string | undefined
  readonly options: CopyOptions
}

/** Takes a snapshot or clone, names it if asked to, prints its uuid or record. Throws XapiError. */
export async function copyVdi(connection: Connection, { method, vdi, wanted, name, options }: Copy): Promise<void> {
  const { caller } = connection
  const source = await findVdi(connection, vdi, wanted)
  const ref = String(await caller.call(method, source.ref))
  const label = name ?? options.nameLabel
  if (label !== undefined) await caller.call('VDI.set_name_label', ref, label)
  const copy = await readVdi(connection, ref)
  await (options.json === true ? printJson(vdiJson(copy)) : print(`${copy.uuid}\n`))
}
