import type { XapiCaller } from '../xapi/XapiClient.ts'

/** A revert that is only asked about. */
export interface RevertQuestion {
  /** Type of the SR, as in its record. */
  readonly type: string
  readonly deviceConfig: Readonly<Record<string, string>>
  readonly srUuid: string
  readonly snapshotUuid: string
  readonly targetUuid: string
}

/** What a driver would do. Sizes in bytes, depths in images. */
export interface RevertOutlook {
  /** `relink`, `split`, `nothing`, or `unknown` where only the blockers are known. */
  readonly mode: string
  readonly virtualSize?: number
  readonly spaceNeeded?: number
  readonly depthBefore?: number
  readonly depthAfter?: number
  /** Why it would fail, with the SM error's code. */
  readonly blockers: readonly { readonly code: number; readonly text: string }[]
}

/** Asks a driver, over the toolstack's own API; changes nothing. */
export type ExplainRevert = (question: RevertQuestion, caller: XapiCaller) => Promise<RevertOutlook>
