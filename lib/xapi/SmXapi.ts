import { toBoolean, toInteger, toMap, toRecords, toText, toTexts, toObject } from './normalise.ts'
import {
  epoch,
  hostRecord,
  nullRef,
  pbdRecord,
  srRecord,
  vbdRecord,
  vdiRecord,
  type HostRecord,
  type PbdRecord,
  type SrRecord,
  type VbdRecord,
  type VdiRecord,
} from './records.ts'
import type { Ref, StringMap, XapiCaller, XapiValue } from './XapiClient.ts'

export { epoch, nullRef } from './records.ts'
export type { HostRecord, PbdRecord, SrRecord, VbdRecord, VdiRecord } from './records.ts'

/** Arguments of `VDI.db_introduce`, by XenAPI's names; sizes in bytes. What is left out is empty, null or false. */
export interface VdiIntroduction {
  readonly uuid: string
  readonly name_label: string
  readonly name_description: string
  readonly SR: Ref
  readonly type: string
  readonly sharable: boolean
  readonly read_only: boolean
  readonly other_config?: StringMap
  readonly location: string
  readonly xenstore_data?: StringMap
  readonly sm_config: StringMap
  readonly managed: boolean
  readonly virtual_size: number
  readonly physical_utilisation: number
  readonly metadata_of_pool?: Ref
  readonly is_a_snapshot?: boolean
  readonly snapshot_time?: string
  readonly snapshot_of?: Ref
  readonly cbt_enabled: boolean
}

export interface XapiMessage {
  readonly name: string
  /** 1 is the most urgent. */
  readonly priority: number
  readonly className: 'SR' | 'VDI'
  readonly objectUuid: string
  readonly body: string
}

/**
 * The XenAPI calls that storage drivers make, typed (spec smapi 10). Every method throws XapiError where the server
 * refuses and XapiTransportError where it is not reached or answers another type.
 */
export class SmXapi {
  readonly #caller: XapiCaller

  constructor(caller: XapiCaller) {
    this.#caller = caller
  }

  async vdiGetByUuid(uuid: string): Promise<Ref> {
    return this.#text('VDI.get_by_uuid', uuid)
  }

  async vdiGetRecord(vdi: Ref): Promise<VdiRecord> {
    return vdiRecord(await this.#caller.call('VDI.get_record', vdi))
  }

  async vdiRecordsOfSr(sr: Ref): Promise<Map<Ref, VdiRecord>> {
    return this.vdiRecordsWhere(`field "SR" = "${sr}"`)
  }

  async vdiRecordsWhere(expression: string): Promise<Map<Ref, VdiRecord>> {
    return this.#recordsWhere('VDI', expression, vdiRecord)
  }

  /** Makes the record of a disk that the driver has made (19 arguments, spec smapi 10). */
  async vdiDbIntroduce(vdi: VdiIntroduction): Promise<Ref> {
    return this.#text(
      'VDI.db_introduce',
      vdi.uuid,
      vdi.name_label,
      vdi.name_description,
      vdi.SR,
      vdi.type,
      vdi.sharable,
      vdi.read_only,
      vdi.other_config ?? {},
      vdi.location,
      vdi.xenstore_data ?? {},
      vdi.sm_config,
      vdi.managed,
      String(vdi.virtual_size),
      String(vdi.physical_utilisation),
      vdi.metadata_of_pool ?? nullRef,
      vdi.is_a_snapshot ?? false,
      vdi.snapshot_time ?? epoch,
      vdi.snapshot_of ?? nullRef,
      vdi.cbt_enabled,
    )
  }

  async vdiDbForget(vdi: Ref): Promise<void> {
    await this.#caller.call('VDI.db_forget', vdi)
  }

  async vdiGetUuid(vdi: Ref): Promise<string> {
    return this.#text('VDI.get_uuid', vdi)
  }

  async vdiGetLocation(vdi: Ref): Promise<string> {
    return this.#text('VDI.get_location', vdi)
  }

  async vdiGetIsASnapshot(vdi: Ref): Promise<boolean> {
    return this.#boolean('VDI.get_is_a_snapshot', vdi)
  }

  async vdiGetManaged(vdi: Ref): Promise<boolean> {
    return this.#boolean('VDI.get_managed', vdi)
  }

  async vdiGetVirtualSize(vdi: Ref): Promise<number> {
    return this.#integer('VDI.get_virtual_size', vdi)
  }

  async vdiGetSmConfig(vdi: Ref): Promise<StringMap> {
    return this.#map('VDI.get_sm_config', vdi)
  }

  async vdiSetSmConfig(vdi: Ref, value: StringMap): Promise<void> {
    await this.#caller.call('VDI.set_sm_config', vdi, value)
  }

  /** Throws XapiError MAP_DUPLICATE_KEY where the key exists. */
  async vdiAddToSmConfig(vdi: Ref, key: string, value: string): Promise<void> {
    await this.#caller.call('VDI.add_to_sm_config', vdi, key, value)
  }

  async vdiRemoveFromSmConfig(vdi: Ref, key: string): Promise<void> {
    await this.#caller.call('VDI.remove_from_sm_config', vdi, key)
  }

  async vdiAddToOtherConfig(vdi: Ref, key: string, value: string): Promise<void> {
    await this.#caller.call('VDI.add_to_other_config', vdi, key, value)
  }

  async vdiRemoveFromOtherConfig(vdi: Ref, key: string): Promise<void> {
    await this.#caller.call('VDI.remove_from_other_config', vdi, key)
  }

  async vdiSetVirtualSize(vdi: Ref, bytes: number): Promise<void> {
    await this.#caller.call('VDI.set_virtual_size', vdi, String(bytes))
  }

  async vdiSetPhysicalUtilisation(vdi: Ref, bytes: number): Promise<void> {
    await this.#caller.call('VDI.set_physical_utilisation', vdi, String(bytes))
  }

  async vdiSetReadOnly(vdi: Ref, value: boolean): Promise<void> {
    await this.#caller.call('VDI.set_read_only', vdi, value)
  }

  async vdiSetManaged(vdi: Ref, value: boolean): Promise<void> {
    await this.#caller.call('VDI.set_managed', vdi, value)
  }

  async vdiSetCbtEnabled(vdi: Ref, value: boolean): Promise<void> {
    await this.#caller.call('VDI.set_cbt_enabled', vdi, value)
  }

  async vdiSetSnapshotOf(vdi: Ref, value: Ref): Promise<void> {
    await this.#caller.call('VDI.set_snapshot_of', vdi, value)
  }

  async srGetByUuid(uuid: string): Promise<Ref> {
    return this.#text('SR.get_by_uuid', uuid)
  }

  async srGetUuid(sr: Ref): Promise<string> {
    return this.#text('SR.get_uuid', sr)
  }

  async srGetRecord(sr: Ref): Promise<SrRecord> {
    return srRecord(await this.#caller.call('SR.get_record', sr))
  }

  async srRecordsWhere(expression: string): Promise<Map<Ref, SrRecord>> {
    return this.#recordsWhere('SR', expression, srRecord)
  }

  async srGetSmConfig(sr: Ref): Promise<StringMap> {
    return this.#map('SR.get_sm_config', sr)
  }

  async srSetSmConfig(sr: Ref, value: StringMap): Promise<void> {
    await this.#caller.call('SR.set_sm_config', sr, value)
  }

  async srAddToSmConfig(sr: Ref, key: string, value: string): Promise<void> {
    await this.#caller.call('SR.add_to_sm_config', sr, key, value)
  }

  async srRemoveFromSmConfig(sr: Ref, key: string): Promise<void> {
    await this.#caller.call('SR.remove_from_sm_config', sr, key)
  }

  async srGetOtherConfig(sr: Ref): Promise<StringMap> {
    return this.#map('SR.get_other_config', sr)
  }

  async srAddToOtherConfig(sr: Ref, key: string, value: string): Promise<void> {
    await this.#caller.call('SR.add_to_other_config', sr, key, value)
  }

  async srRemoveFromOtherConfig(sr: Ref, key: string): Promise<void> {
    await this.#caller.call('SR.remove_from_other_config', sr, key)
  }

  async srGetVirtualAllocation(sr: Ref): Promise<number> {
    return this.#integer('SR.get_virtual_allocation', sr)
  }

  async srSetVirtualAllocation(sr: Ref, bytes: number): Promise<void> {
    await this.#caller.call('SR.set_virtual_allocation', sr, String(bytes))
  }

  async srSetPhysicalSize(sr: Ref, bytes: number): Promise<void> {
    await this.#caller.call('SR.set_physical_size', sr, String(bytes))
  }

  async srSetPhysicalUtilisation(sr: Ref, bytes: number): Promise<void> {
    await this.#caller.call('SR.set_physical_utilisation', sr, String(bytes))
  }

  async pbdRecordsWhere(expression: string): Promise<Map<Ref, PbdRecord>> {
    return this.#recordsWhere('PBD', expression, pbdRecord)
  }

  async pbdGetRecord(pbd: Ref): Promise<PbdRecord> {
    return pbdRecord(await this.#caller.call('PBD.get_record', pbd))
  }

  async pbdSetDeviceConfig(pbd: Ref, value: StringMap): Promise<void> {
    await this.#caller.call('PBD.set_device_config', pbd, value)
  }

  /** Throws XapiError MAP_DUPLICATE_KEY where the key exists. */
  async pbdAddToOtherConfig(pbd: Ref, key: string, value: string): Promise<void> {
    await this.#caller.call('PBD.add_to_other_config', pbd, key, value)
  }

  async pbdRemoveFromOtherConfig(pbd: Ref, key: string): Promise<void> {
    await this.#caller.call('PBD.remove_from_other_config', pbd, key)
  }

  async vbdRecordsWhere(expression: string): Promise<Map<Ref, VbdRecord>> {
    return this.#recordsWhere('VBD', expression, vbdRecord)
  }

  async hostGetByUuid(uuid: string): Promise<Ref> {
    return this.#text('host.get_by_uuid', uuid)
  }

  async hostGetRecord(host: Ref): Promise<HostRecord> {
    return hostRecord(await this.#caller.call('host.get_record', host))
  }

  async hostGetOtherConfig(host: Ref): Promise<StringMap> {
    return this.#map('host.get_other_config', host)
  }

  /** Runs a host plugin's function there and returns its text. */
  async hostCallPlugin(host: Ref, plugin: string, functionName: string, args: StringMap): Promise<string> {
    return this.#text('host.call_plugin', host, plugin, functionName, args)
  }

  /** Whether a host answers at present. */
  async hostIsLive(metrics: Ref): Promise<boolean> {
    const record = toObject(await this.#caller.call('host_metrics.get_record', metrics), 'host_metrics record')
    return toBoolean(record['live'], 'host_metrics.live')
  }

  async poolGetMaster(): Promise<Ref> {
    const [pool = nullRef] = toTexts(await this.#caller.call('pool.get_all'), 'pool.get_all')
    return this.#text('pool.get_master', pool)
  }

  /** What the pool's licence forbids, by name; empty where it has none. */
  async poolRestrictions(): Promise<StringMap> {
    const pools = toObject(await this.#caller.call('pool.get_all_records'), 'pool records')
    const [pool] = Object.values(pools)
    if (pool === undefined) return {}
    return toMap(toObject(pool, 'pool record')['restrictions'] ?? {}, 'pool.restrictions')
  }

  /** Capability names of an SR type's driver without versions; empty where the type is unknown (spec smapi 9.4). */
  async smCapabilities(type: string): Promise<readonly string[]> {
    const records = await this.#recordsWhere('SM', `field "type" = "${type}"`, record =>
      toTexts(toObject(record, 'SM record')['capabilities'], 'SM.capabilities'),
    )
    return [...records.values()][0] ?? []
  }

  async messageCreate({ name, priority, className, objectUuid, body }: XapiMessage): Promise<Ref> {
    return this.#text('message.create', name, String(priority), className, objectUuid, body)
  }

  async secretGetValue(uuid: string): Promise<string> {
    return this.#text('secret.get_value', await this.#text('secret.get_by_uuid', uuid))
  }

  async #recordsWhere<T>(className: string, expression: string, read: (record: unknown) => T): Promise<Map<Ref, T>> {
    const method = `${className}.get_all_records_where`
    return toRecords(await this.#caller.call(method, expression), method, read)
  }

  async #text(method: string, ...args: XapiValue[]): Promise<string> {
    return toText(await this.#caller.call(method, ...args), method)
  }

  async #boolean(method: string, ...args: XapiValue[]): Promise<boolean> {
    return toBoolean(await this.#caller.call(method, ...args), method)
  }

  async #integer(method: string, ...args: XapiValue[]): Promise<number> {
    return toInteger(await this.#caller.call(method, ...args), method)
  }

  async #map(method: string, ...args: XapiValue[]): Promise<StringMap> {
    return toMap(await this.#caller.call(method, ...args), method)
  }
}
