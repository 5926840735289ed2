import type { SmXapi, VdiIntroduction, VdiRecord } from '../lib/xapi/SmXapi.ts'
import { XapiError, type Ref } from '../lib/xapi/XapiClient.ts'

/** What storage says of one VDI, to be compared with its record (spec file-sr 7.3). Sizes in bytes. */
export interface ScannedVdi {
  readonly uuid: string
  readonly type: string
  readonly virtualSize: number
  readonly physicalUtilisation: number
  readonly readOnly: boolean
  readonly managed: boolean
  readonly cbtEnabled: boolean
  /** sm_config keys that storage owns: a value, or undefined where the key must not be there. */
  readonly smConfig: Readonly<Record<string, string | undefined>>
  readonly label?: string
}

/** Keys that belong to attach, pause and the collector; a synchronisation never touches them. */
const FOREIGN_KEYS = new Set(['paused', 'vhd-blocks', 'relinking', 'activating'])
/** Keys that are set but never removed by a synchronisation. */
const STICKY_KEYS = new Set(['key_hash'])

function isForeign(key: string): boolean {
  return key.startsWith('host_') || FOREIGN_KEYS.has(key)
}

/**
 * Sets the sm_config keys that storage owns, one by one, and leaves every other key as it is. Reads the record afresh,
 * because activation on another host writes to it at any time.
 */
export async function mergeSmConfig(
  xapi: SmXapi,
  ref: Ref,
  wanted: Readonly<Record<string, string | undefined>>,
  options: { readonly removeSticky?: boolean } = {},
): Promise<void> {
  const present = await xapi.vdiGetSmConfig(ref)
  for (const [key, value] of Object.entries(wanted)) {
    if (isForeign(key) || present[key] === value) continue
    if (value === undefined && STICKY_KEYS.has(key) && options.removeSticky !== true) continue
    if (key in present) await xapi.vdiRemoveFromSmConfig(ref, key)
    if (value !== undefined) await xapi.vdiAddToSmConfig(ref, key, value)
  }
}

/** The record of a uuid, undefined where there is none. */
export async function findVdi(xapi: SmXapi, uuid: string): Promise<Ref | undefined> {
  try {
    return await xapi.vdiGetByUuid(uuid)
  } catch (error) {
    if (error instanceof XapiError && (error.code === 'UUID_INVALID' || error.code === 'HANDLE_INVALID'))
      return undefined
    throw error
  }
}

/** Forgets the record of a uuid if there is one. */
export async function forgetVdi(xapi: SmXapi, uuid: string): Promise<void> {
  const ref = await findVdi(xapi, uuid)
  if (ref !== undefined) await xapi.vdiDbForget(ref)
}

/** Introduces a VDI that storage has and the database does not; `more`: what else is known of it. */
export async function introduce(
  xapi: SmXapi,
  srRef: Ref,
  vdi: ScannedVdi,
  more: Partial<VdiIntroduction> = {},
): Promise<Ref> {
  const ref = await xapi.vdiDbIntroduce({
    uuid: vdi.uuid,
    name_label: vdi.label ?? '',
    name_description: '',
    SR: srRef,
    type: vdi.type,
    sharable: false,
    read_only: vdi.readOnly,
    location: vdi.uuid,
    sm_config: definedEntries(vdi.smConfig),
    managed: vdi.managed,
    virtual_size: vdi.virtualSize,
    physical_utilisation: vdi.physicalUtilisation,
    cbt_enabled: vdi.cbtEnabled,
    ...more,
  })
  return ref
}

/** Writes what differs of one VDI into its record (`_db_update` of the reference, spec file-sr 14.3). */
export async function updateRecord(xapi: SmXapi, ref: Ref, record: VdiRecord, vdi: ScannedVdi): Promise<void> {
  if (record.virtual_size !== vdi.virtualSize) await xapi.vdiSetVirtualSize(ref, vdi.virtualSize)
  if (record.physical_utilisation !== vdi.physicalUtilisation) {
    await xapi.vdiSetPhysicalUtilisation(ref, vdi.physicalUtilisation)
  }
  if (record.read_only !== vdi.readOnly) await xapi.vdiSetReadOnly(ref, vdi.readOnly)
  if (smConfigDiffers(record.sm_config, vdi.smConfig)) await mergeSmConfig(xapi, ref, vdi.smConfig)
  if (record.cbt_enabled !== vdi.cbtEnabled) await xapi.vdiSetCbtEnabled(ref, vdi.cbtEnabled)
}

/**
 * Brings the database in line with storage: introduces, forgets, updates, in this order. `keep` says which records
 * without a VDI on storage must stay (files of a format this driver does not know).
 */
export async function synchronise(
  xapi: SmXapi,
  srRef: Ref,
  scanned: readonly ScannedVdi[],
  keep: (uuid: string) => boolean,
): Promise<void> {
  const records = await xapi.vdiRecordsOfSr(srRef)
  const byLocation = new Map([...records].map(([ref, record]) => [record.location, { ref, record }]))
  for (const vdi of scanned) if (!byLocation.has(vdi.uuid)) await introduce(xapi, srRef, vdi)
  const onStorage = new Set(scanned.map(vdi => vdi.uuid))
  for (const [ref, record] of records) {
    if (!onStorage.has(record.location) && !keep(record.location)) await xapi.vdiDbForget(ref)
  }
  for (const vdi of scanned) {
    const known = byLocation.get(vdi.uuid)
    if (known !== undefined) await updateRecord(xapi, known.ref, known.record, vdi)
  }
}

function smConfigDiffers(
  present: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string | undefined>>,
): boolean {
  return Object.entries(wanted).some(
    ([key, value]) => present[key] !== value && !(value === undefined && STICKY_KEYS.has(key)),
  )
}

function definedEntries(map: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const result: Record<string, string> = {}
  for (const [key, value] of Object.entries(map)) if (value !== undefined) result[key] = value
  return result
}
