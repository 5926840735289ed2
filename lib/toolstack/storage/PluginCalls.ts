import type { Ref, StringMap } from '../../xapi/XapiClient.ts'
import { smSessionKey } from '../Call.ts'
import { withoutKey } from '../maps.ts'
import type { Store } from '../Store.ts'
import { BackendError, SrNotAttached } from './errors.ts'
import type { Executor } from './Executor.ts'
import type { PluginRequest } from './plugin-request.ts'
import { runDriver } from './run-driver.ts'
import type { Dbg, ProbeRequest, VdiPlace } from './Storage.ts'
import { findSr, findVdi } from './vdi-info.ts'
import type { XmlNode } from './xml-tree.ts'

type Members = Partial<PluginRequest>
type Read<T> = (value: XmlNode) => T

export interface PluginEnvironment {
  readonly store: Store
  readonly executor: Executor
  readonly host: Ref
}

/** Calls of SMAPIv1 plugins, with the members that xapi puts into each request (spec smapi 2.2). */
export class PluginCalls {
  readonly store: Store
  readonly #executor: Executor
  readonly #host: Ref

  constructor({ store, executor, host }: PluginEnvironment) {
    this.store = store
    this.#executor = executor
    this.#host = host
  }

  /** A command on an SR, given by its uuid. Throws BackendError, Unimplemented, SrNotAttached. */
  onSr<T>({ task }: Dbg, sr: string, request: readonly [command: string, Members], read: Read<T>): Promise<T> {
    const [command, members] = request
    const ref = findSr(this.store, sr)
    const { type } = this.store.get('SR', ref)
    const own: Members = {
      device_config: this.#deviceConfig(ref),
      sr_ref: ref,
      sr_uuid: sr,
      subtask_of: task,
      ...members,
    }
    return this.#exec([type, command], { [smSessionKey]: ref }, own, read)
  }

  /** A command on a disk. Throws also VdiDoesNotExist. */
  onVdi<T>(dbg: Dbg, place: VdiPlace, request: readonly [command: string, Members?], read: Read<T>): Promise<T> {
    const [command, members = {}] = request
    const ref = findVdi(this.store, place)
    const vdi = this.store.get('VDI', ref)
    const own: Members = {
      vdi_ref: ref,
      vdi_location: vdi.location,
      vdi_uuid: vdi.uuid,
      vdi_on_boot: vdi.on_boot,
      vdi_allow_caching: String(vdi.allow_caching),
    }
    return this.onSr(dbg, place.sr, [command, { ...own, ...members }], read)
  }

  probe<T>({ task }: Dbg, { type, device_config, sm_config }: ProbeRequest, read: Read<T>): Promise<T> {
    const config = { SRmaster: 'true', ...device_config }
    const members = { device_config: config, sr_sm_config: sm_config, subtask_of: task }
    return this.#exec([type, 'sr_probe'], {}, members, read)
  }

  async #exec<T>(
    [type, command]: readonly [string, string],
    sessionConfig: StringMap,
    members: Members,
    read: Read<T>,
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
      this.store.remove('session', session)
    }
  }

  /** One host is the master of everything it has. */
  #deviceConfig(sr: Ref): StringMap {
    const pbds = this.store.where('PBD', 'SR', sr).map(pbd => this.store.get('PBD', pbd))
    const pbd = pbds.find(({ host }) => host === this.#host)
    if (pbd === undefined) throw new SrNotAttached(this.store.get('SR', sr).uuid)
    return { SRmaster: 'true', ...withoutKey(pbd.device_config, 'SRmaster') }
  }

  #localCache(): Members {
    const sr = this.store.find('SR', this.store.get('host', this.#host).local_cache_sr)
    return sr === undefined ? {} : { local_cache_sr: sr.uuid }
  }

  #driverOf(type: string): string {
    const [sm] = this.store.where('SM', 'type', type)
    if (sm === undefined) throw new BackendError('SR_UNKNOWN_DRIVER', [type])
    return this.store.get('SM', sm).driver_filename
  }

  #login(otherConfig: StringMap): Ref {
    return this.store.create('session', {
      this_host: this.#host,
      is_local_superuser: true,
      auth_user_name: '__sm__backend',
      other_config: otherConfig,
    })
  }
}
