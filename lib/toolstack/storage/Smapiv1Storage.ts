import { XapiError, type Ref, type StringMap } from '../../xapi/XapiClient.ts'
import { smSessionKey } from '../Call.ts'
import { withoutKey } from '../maps.ts'
import { epoch } from '../schema/field.ts'
import type { Store } from '../Store.ts'
import type { Executor } from './Executor.ts'
import type { PluginRequest } from './plugin-request.ts'
import { readNil, readString, readStrings, ResponseMismatch } from './plugin-response.ts'
import { runDriver } from './run-driver.ts'
import type { At, NewVdi, ProbeRequest, Storage, VdiInfo } from './Storage.ts'
import type { XmlNode } from './xml-tree.ts'

type Members = Partial<PluginRequest>

export interface Smapiv1Environment {
  readonly store: Store
  readonly executor: Executor
  readonly host: Ref
}

/** Storage through SMAPIv1 plugins, called as xapi calls them (spec smapi 7). */
export class Smapiv1Storage implements Storage {
  readonly #store: Store
  readonly #executor: Executor
  readonly #host: Ref

  constructor({ store, executor, host }: Smapiv1Environment) {
    this.#store = store
    this.#executor = executor
    this.#host = host
  }

  srCreate(at: At, size: number): Promise<void> {
    return this.#run(at, 'sr_create', { args: [String(size)] }, readNil)
  }

  srAttach(at: At): Promise<void> {
    return this.#run(at, 'sr_attach', {}, readNil)
  }

  srDetach(at: At): Promise<void> {
    return this.#run(at, 'sr_detach', {}, readNil)
  }

  srDelete(at: At): Promise<void> {
    return this.#run(at, 'sr_delete', {}, readNil)
  }

  srScan(at: At): Promise<void> {
    return this.#run(at, 'sr_scan', {}, readNil)
  }

  srUpdate(at: At): Promise<void> {
    return this.#run(at, 'sr_update', {}, readNil)
  }

  srProbe({ task, type, deviceConfig, smConfig }: ProbeRequest): Promise<string> {
    const members = { device_config: { SRmaster: 'true', ...deviceConfig }, sr_sm_config: smConfig, subtask_of: task }
    return this.#exec(type, 'sr_probe', {}, members, readString)
  }

  vdiCreate(at: At, vdi: NewVdi): Promise<VdiInfo> {
    const { virtualSize, nameLabel, nameDescription, readOnly } = vdi
    const args = [String(virtualSize), nameLabel, nameDescription, '', 'false', epoch, '', String(readOnly)]
    return this.#run(at, 'vdi_create', { args, vdi_type: vdi.type, vdi_sm_config: vdi.smConfig }, readVdiInfo)
  }

  vdiIntroduce(at: At, vdi: { uuid: string; location: string; smConfig: StringMap }): Promise<VdiInfo> {
    const members = { new_uuid: vdi.uuid, vdi_location: vdi.location, vdi_sm_config: vdi.smConfig }
    return this.#run(at, 'vdi_introduce', members, readVdiInfo)
  }

  vdiDelete(at: At, vdi: Ref): Promise<void> {
    return this.#run(at, 'vdi_delete', this.#vdi(vdi), readNil)
  }

  vdiSnapshot(at: At, vdi: Ref, driverParams: StringMap): Promise<VdiInfo> {
    return this.#run(at, 'vdi_snapshot', { ...this.#vdi(vdi), driver_params: driverParams }, readVdiInfo)
  }

  vdiClone(at: At, vdi: Ref, driverParams: StringMap): Promise<VdiInfo> {
    return this.#run(at, 'vdi_clone', { ...this.#vdi(vdi), driver_params: driverParams }, readVdiInfo)
  }

  vdiResize(at: At, vdi: Ref, size: number): Promise<VdiInfo> {
    return this.#run(at, 'vdi_resize', { ...this.#vdi(vdi), args: [String(size)] }, readVdiInfo)
  }

  vdiUpdate(at: At, vdi: Ref): Promise<void> {
    return this.#run(at, 'vdi_update', this.#vdi(vdi), readNil)
  }

  vdiRevert(at: At, snapshot: Ref, target: Ref): Promise<void> {
    return this.#run(at, 'vdi_revert', { ...this.#vdi(snapshot), args: [target] }, readNil)
  }

  async #run<T>({ task, sr }: At, command: string, members: Members, read: (value: XmlNode) => T): Promise<T> {
    const { type, uuid } = this.#store.get('SR', sr)
    const own: Members = {
      device_config: this.#deviceConfig(sr),
      sr_ref: sr,
      sr_uuid: uuid,
      subtask_of: task,
      ...members,
    }
    return this.#exec(type, command, { [smSessionKey]: sr }, own, read)
  }

  async #exec<T>(
    type: string,
    command: string,
    sessionConfig: StringMap,
    members: Members,
    read: (value: XmlNode) => T,
  ): Promise<T> {
    const session = this.#login(sessionConfig)
    const request = {
      host_ref: this.#host,
      command,
      args: [],
      device_config: {},
      session_ref: session,
      ...this.#localCache(),
      ...members,
    }
    try {
      return await runDriver(this.#executor, this.#driverOf(type), request, read)
    } finally {
      this.#store.remove('session', session)
    }
  }

  /** One host is the master of everything it has. */
  #deviceConfig(sr: Ref): StringMap {
    const pbds = this.#store.where('PBD', 'SR', sr).map(pbd => this.#store.get('PBD', pbd))
    const pbd = pbds.find(({ host }) => host === this.#host)
    if (pbd === undefined) throw new XapiError('SR_HAS_NO_PBDS', [sr])
    return { SRmaster: 'true', ...withoutKey(pbd.device_config, 'SRmaster') }
  }

  #vdi(ref: Ref): Members {
    const vdi = this.#store.get('VDI', ref)
    return {
      vdi_ref: ref,
      vdi_location: vdi.location,
      vdi_uuid: vdi.uuid,
      vdi_on_boot: vdi.on_boot,
      vdi_allow_caching: String(vdi.allow_caching),
    }
  }

  #localCache(): Members {
    const sr = this.#store.find('SR', this.#store.get('host', this.#host).local_cache_sr)
    return sr === undefined ? {} : { local_cache_sr: sr.uuid }
  }

  #driverOf(type: string): string {
    const [sm] = this.#store.where('SM', 'type', type)
    if (sm === undefined) throw new XapiError('SR_UNKNOWN_DRIVER', [type])
    return this.#store.get('SM', sm).driver_filename
  }

  #login(otherConfig: StringMap): Ref {
    return this.#store.create('session', {
      this_host: this.#host,
      is_local_superuser: true,
      auth_user_name: '__sm__backend',
      other_config: otherConfig,
    })
  }
}

function readVdiInfo(value: XmlNode): VdiInfo {
  const members = readStrings(value)
  const location = members.get('location')
  const uuid = members.get('uuid')
  if (location === undefined || uuid === undefined) throw new ResponseMismatch('VDI without location or uuid')
  return { location, uuid }
}
