import type { Ref, StringMap } from '../../xapi/XapiClient.ts'

/** On whose behalf something is done: drivers make their tasks children of this one. */
export interface Dbg {
  readonly task: Ref
}

/** Which disk: its SR by uuid, and its location there. */
export interface VdiPlace {
  readonly sr: string
  readonly vdi: string
}

/** What storage knows of a disk. Sizes in bytes, references as uuids. */
export interface VdiInfo {
  /** The location. */
  readonly vdi: string
  readonly uuid: string
  readonly content_id: string
  readonly name_label: string
  readonly name_description: string
  readonly ty: string
  readonly metadata_of_pool: string
  readonly is_a_snapshot: boolean
  readonly snapshot_time: string
  /** The uuid of the disk that a snapshot was taken of, or empty. */
  readonly snapshot_of: string
  readonly read_only: boolean
  readonly cbt_enabled: boolean
  readonly virtual_size: number
  readonly physical_utilisation: number
  readonly persistent: boolean
  readonly sharable: boolean
  readonly sm_config: StringMap
  readonly tags: readonly string[]
}

/** What has to be said of a disk that does not exist yet. */
export type NewVdi = Pick<
  VdiInfo,
  'name_label' | 'name_description' | 'ty' | 'read_only' | 'virtual_size' | 'sm_config'
>

/** Bytes. */
export interface SrInfo {
  readonly virtual_allocation: number
  readonly physical_utilisation: number
  readonly physical_size: number
}

export interface Introduction {
  readonly uuid: string
  readonly location: string
  readonly sm_config: StringMap
}

export interface ProbeRequest {
  readonly type: string
  readonly device_config: StringMap
  readonly sm_config: StringMap
}

/** Where an attached disk can be opened. */
export interface Backend {
  /** The path of a block device or file, where the driver offers one. */
  readonly params: string | undefined
  /** `nbd:unix:PATH:exportname=NAME` */
  readonly params_nbd: string
}

export interface SrStorage {
  create(dbg: Dbg, sr: string, size: number): Promise<void>
  attach(dbg: Dbg, sr: string): Promise<void>
  detach(dbg: Dbg, sr: string): Promise<void>
  destroy(dbg: Dbg, sr: string): Promise<void>
  /** The disks of the SR after the driver has looked. */
  scan(dbg: Dbg, sr: string): Promise<VdiInfo[]>
  stat(dbg: Dbg, sr: string): Promise<SrInfo>
  probe(dbg: Dbg, request: ProbeRequest): Promise<string>
}

export interface VdiStorage {
  create(dbg: Dbg, sr: string, vdi: NewVdi): Promise<VdiInfo>
  introduce(dbg: Dbg, sr: string, vdi: Introduction): Promise<VdiInfo>
  stat(dbg: Dbg, place: VdiPlace): Promise<VdiInfo>
  destroy(dbg: Dbg, place: VdiPlace): Promise<void>
  snapshot(dbg: Dbg, place: VdiPlace, driverParams: StringMap): Promise<VdiInfo>
  clone(dbg: Dbg, place: VdiPlace, driverParams: StringMap): Promise<VdiInfo>
  /** The size that the disk has then. */
  resize(dbg: Dbg, place: VdiPlace, size: number): Promise<number>
  /** Makes the driver take over name, description and the like from the record. */
  update(dbg: Dbg, place: VdiPlace): Promise<void>
  /** Makes the contents of the disk `snapshot.snapshot_of` those of the snapshot, in place. */
  revert(dbg: Dbg, sr: string, snapshot: VdiInfo): Promise<void>
  compose(dbg: Dbg, place: VdiPlace, base: VdiPlace): Promise<void>
  epoch_begin(dbg: Dbg, place: VdiPlace): Promise<void>
  epoch_end(dbg: Dbg, place: VdiPlace): Promise<void>
  attach2(dbg: Dbg, place: VdiPlace, writable: boolean): Promise<Backend>
  activate(dbg: Dbg, place: VdiPlace, writable: boolean): Promise<void>
  deactivate(dbg: Dbg, place: VdiPlace): Promise<void>
  detach(dbg: Dbg, place: VdiPlace): Promise<void>
  enable_cbt(dbg: Dbg, place: VdiPlace): Promise<void>
  disable_cbt(dbg: Dbg, place: VdiPlace): Promise<void>
  data_destroy(dbg: Dbg, place: VdiPlace): Promise<void>
  /** A bitmap in base64, one bit for each 64 KiB. */
  list_changed_blocks(dbg: Dbg, from: VdiPlace, to: VdiPlace): Promise<string>
  /** Whether what a guest writes outlives its next start. */
  set_persistent(dbg: Dbg, place: VdiPlace, persistent: boolean): Promise<void>
}

/**
 * What the API asks of storage, whatever protocol the driver speaks: the calls of SMAPIv2 under their names
 * (spec toolstack 7). They throw the errors of `errors.ts`.
 */
export interface Storage {
  readonly SR: SrStorage
  readonly VDI: VdiStorage
}
