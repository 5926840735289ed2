import type { PbdRecord } from '../../lib/xapi/SmXapi.ts'
import { XapiError, type Ref, type StringMap } from '../../lib/xapi/XapiClient.ts'
import type { Context } from '../Context.ts'

/**
 * The record by which this host has an SR, as far as drivers write to it. It is missing while an SR is probed and need not
 * be there while it is made; no update of it fails its caller (spec iscsi-hba 11).
 */
export class HostPbd {
  readonly #context: Context
  readonly #srRef: () => Promise<Ref>

  constructor(context: Context, srRef: () => Promise<Ref>) {
    this.#context = context
    this.#srRef = srRef
  }

  /** Undefined where there is none, or no database. */
  async find(): Promise<{ readonly ref: Ref; readonly record: PbdRecord } | undefined> {
    const { request, xapi } = this.#context
    if (request.sessionRef === undefined || request.srUuid === '') return undefined
    const pbds = await xapi.pbdRecordsWhere(`field "SR" = "${await this.#srRef()}"`)
    const found = [...pbds].find(([, record]) => record.host === request.hostRef)
    return found === undefined ? undefined : { ref: found[0], record: found[1] }
  }

  /** Sets keys of its other_config; those that are undefined are removed. */
  async setOtherConfig(values: Readonly<Record<string, string | undefined>>): Promise<void> {
    await this.#update(async ({ ref, record }) => {
      const { xapi } = this.#context
      for (const [key, value] of Object.entries(values)) {
        if (record.other_config[key] === value) continue
        if (key in record.other_config) await xapi.pbdRemoveFromOtherConfig(ref, key)
        if (value !== undefined) await xapi.pbdAddToOtherConfig(ref, key, value)
      }
    })
  }

  /** Sets a key of its device_config to what becomes of the present one. */
  async setDeviceConfig(key: string, valueOf: (config: StringMap) => string | undefined): Promise<void> {
    await this.#update(async ({ ref, record }) => {
      const value = valueOf(record.device_config)
      if (value === undefined || record.device_config[key] === value) return
      await this.#context.xapi.pbdSetDeviceConfig(ref, { ...record.device_config, [key]: value })
    })
  }

  async #update(body: (pbd: { readonly ref: Ref; readonly record: PbdRecord }) => Promise<void>): Promise<void> {
    try {
      const pbd = await this.find()
      if (pbd !== undefined) await body(pbd)
    } catch (error) {
      // The request is the xapi's own and may hold passwords: only what it answers is told.
      const reason = error instanceof XapiError ? error.code : String(error)
      this.#context.log.warn(`the PBD of SR ${this.#context.request.srUuid} is not brought up to date: ${reason}`)
    }
  }
}
