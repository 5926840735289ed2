import { isObject } from '../lib/xapi/protocol.ts'
import type { Ref, XapiCaller } from '../lib/xapi/XapiClient.ts'

export type AnyRecord = Readonly<Record<string, unknown>>

/** The records of each class, fetched once and when they are needed: most fields are references to others. */
export class Tables {
  readonly #caller: XapiCaller
  readonly #tables = new Map<string, Promise<ReadonlyMap<Ref, AnyRecord>>>()

  constructor(caller: XapiCaller) {
    this.#caller = caller
  }

  all(className: string): Promise<ReadonlyMap<Ref, AnyRecord>> {
    const known = this.#tables.get(className)
    if (known !== undefined) return known
    const fetching = this.#fetch(className)
    this.#tables.set(className, fetching)
    return fetching
  }

  async find(className: string, ref: unknown): Promise<AnyRecord | undefined> {
    return typeof ref === 'string' ? (await this.all(className)).get(ref) : undefined
  }

  async #fetch(className: string): Promise<ReadonlyMap<Ref, AnyRecord>> {
    const records = await this.#caller.call(`${className}.get_all_records`)
    if (!isObject(records)) throw new TypeError(`${className}.get_all_records did not answer a map`)
    return new Map(Object.entries(records).filter((entry): entry is [Ref, AnyRecord] => isObject(entry[1])))
  }
}
