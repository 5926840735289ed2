import type { Ref, StringMap } from '../../xapi/XapiClient.ts'

/** On whose behalf and where something is done. */
export interface At {
  readonly task: Ref
  readonly sr: Ref
}

/** What a driver says about a disk it made. */
export interface VdiInfo {
  readonly location: string
  readonly uuid: string
}

/** Sizes in bytes. */
export interface NewVdi {
  readonly nameLabel: string
  readonly nameDescription: string
  readonly type: string
  readonly virtualSize: number
  readonly readOnly: boolean
  readonly smConfig: StringMap
}

export interface ProbeRequest {
  readonly task: Ref
  readonly type: string
  readonly deviceConfig: StringMap
  readonly smConfig: StringMap
}

/** A driver does not offer an operation: the caller decides what that means (spec toolstack 7). */
export class Unimplemented extends Error {
  readonly operation: string

  constructor(operation: string) {
    super(`the driver does not offer ${operation}`)
    this.name = 'Unimplemented'
    this.operation = operation
  }
}

/**
 * What the API asks of storage, whatever protocol the driver speaks (spec toolstack 7). Every method throws XapiError
 * with the error for the client, and Unimplemented.
 */
export interface Storage {
  srCreate(at: At, size: number): Promise<void>
  srAttach(at: At): Promise<void>
  srDetach(at: At): Promise<void>
  srDelete(at: At): Promise<void>
  srScan(at: At): Promise<void>
  srUpdate(at: At): Promise<void>
  srProbe(request: ProbeRequest): Promise<string>
  vdiCreate(at: At, vdi: NewVdi): Promise<VdiInfo>
  vdiIntroduce(at: At, vdi: { uuid: string; location: string; smConfig: StringMap }): Promise<VdiInfo>
  vdiDelete(at: At, vdi: Ref): Promise<void>
  vdiSnapshot(at: At, vdi: Ref, driverParams: StringMap): Promise<VdiInfo>
  vdiClone(at: At, vdi: Ref, driverParams: StringMap): Promise<VdiInfo>
  vdiResize(at: At, vdi: Ref, size: number): Promise<VdiInfo>
  vdiUpdate(at: At, vdi: Ref): Promise<void>
  /** Makes the contents of `target` those of `snapshot`. */
  vdiRevert(at: At, snapshot: Ref, target: Ref): Promise<void>
}
