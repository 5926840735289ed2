import type { Ref, XapiCaller } from '../lib/xapi/XapiClient.ts'
import type { Params } from './Params.ts'
import type { Tables } from './Tables.ts'

/** What a command works with. */
export interface Xe {
  readonly caller: XapiCaller
  readonly params: Params
  readonly tables: Tables
  readonly isMinimal: boolean
  /** Writes a line to standard output. */
  out(line: string): Promise<void>
  /** Writes a remark to standard error. */
  err(line: string): void
}

export interface Command {
  /** For `xe help`: the parameters as users write them. */
  readonly usage: string
  run(xe: Xe): Promise<void>
}

/** Prints the uuid of an object, which is what commands that make one answer. */
export async function printUuid(xe: Xe, className: string, ref: Ref): Promise<void> {
  await xe.out(String(await xe.caller.call(`${className}.get_uuid`, ref)))
}

/** The object whose uuid is given; for a VM or host also by name label where `uuid` is not given. */
export async function byUuid({ caller }: Xe, className: string, uuid: string): Promise<Ref> {
  return String(await caller.call(`${className}.get_by_uuid`, uuid))
}
