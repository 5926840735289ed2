/** What the metadata volume says of the SR (spec lvhd 9.1). */
export interface MetadataSr {
  readonly uuid: string
  readonly allocation: string
  readonly nameLabel: string
  readonly nameDescription: string
}

/** What it says of a VDI. */
export interface MetadataVdi {
  readonly uuid: string
  readonly nameLabel: string
  readonly nameDescription: string
  readonly isASnapshot: boolean
  /** Uuid of the origin, or empty. */
  readonly snapshotOf: string
  /** XML-RPC dateTime text, or empty. */
  readonly snapshotTime: string
  /** `user`, `system`, `metadata`, … */
  readonly type: string
  /** `vhd` or `aio`. */
  readonly vdiType: string
  readonly readOnly: boolean
  readonly managed: boolean
  readonly metadataOfPool: string
}
