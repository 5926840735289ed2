import type { Connection } from '../connection.ts'
import { readVdi, type Sr, type Vdi } from '../records.ts'

export interface NewDisk {
  readonly nameLabel: string
  readonly nameDescription: string
  /** Bytes. */
  readonly size: number
  readonly smConfig: Readonly<Record<string, string>>
}

/** Makes an empty disk and reads its record. Throws XapiError. */
export async function createVdi(connection: Connection, sr: Sr, disk: NewDisk): Promise<Vdi> {
  const record = {
    name_label: disk.nameLabel,
    name_description: disk.nameDescription,
    SR: sr.ref,
    virtual_size: String(disk.size),
    type: 'user',
    sharable: false,
    read_only: false,
    other_config: {},
    xenstore_data: {},
    sm_config: disk.smConfig,
    tags: [],
  }
  return readVdi(connection, String(await connection.caller.call('VDI.create', record)))
}
