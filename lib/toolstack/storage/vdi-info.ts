import type { Ref } from '../../xapi/XapiClient.ts'
import type { Store } from '../Store.ts'
import { SrNotAttached, VdiDoesNotExist } from './errors.ts'
import type { VdiInfo, VdiPlace } from './Storage.ts'

/** The SR of a uuid. Throws SrNotAttached. */
export function findSr(store: Store, uuid: string): Ref {
  const [sr] = store.where('SR', 'uuid', uuid)
  if (sr === undefined) throw new SrNotAttached(uuid)
  return sr
}

/** The disk at a place. Throws SrNotAttached or VdiDoesNotExist. */
export function findVdi(store: Store, { sr, vdi }: VdiPlace): Ref {
  const srRef = findSr(store, sr)
  const found = store.where('VDI', 'location', vdi).find(ref => store.get('VDI', ref).SR === srRef)
  if (found === undefined) throw new VdiDoesNotExist(vdi)
  return found
}

/** Where a disk is. Throws XapiError HANDLE_INVALID. */
export function placeOf(store: Store, ref: Ref): VdiPlace {
  const { SR, location } = store.get('VDI', ref)
  return { sr: store.get('SR', SR).uuid, vdi: location }
}

/** A record as storage sees it: references are uuids, or empty where they lead nowhere. */
export function vdiInfoOf(store: Store, ref: Ref): VdiInfo {
  const vdi = store.get('VDI', ref)
  return {
    vdi: vdi.location,
    uuid: vdi.uuid,
    content_id: vdi.other_config['content_id'] ?? vdi.location,
    name_label: vdi.name_label,
    name_description: vdi.name_description,
    ty: vdi.type,
    metadata_of_pool: vdi.metadata_of_pool,
    is_a_snapshot: vdi.is_a_snapshot,
    snapshot_time: vdi.snapshot_time,
    snapshot_of: store.find('VDI', vdi.snapshot_of)?.uuid ?? '',
    read_only: vdi.read_only,
    cbt_enabled: vdi.cbt_enabled,
    virtual_size: vdi.virtual_size,
    physical_utilisation: vdi.physical_utilisation,
    persistent: vdi.on_boot !== 'reset',
    sharable: vdi.sharable,
    sm_config: vdi.sm_config,
    tags: vdi.tags,
  }
}
