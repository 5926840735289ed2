/** What this project uses of vhd-lib 4.15, which ships no types (spec vhd-lib 2.1). */
declare module 'vhd-lib/_structs.js' {
  interface Field {
    readonly offset: number | { readonly bytes: number; readonly bits: number }
    readonly size: number
  }

  interface Struct<T> {
    readonly size: number
    readonly fields: Readonly<Record<keyof T, Field>>
    /** Missing keys become zeroes; the checksum is packed as given. */
    pack(value: Partial<T>): Buffer
    unpack(buffer: Buffer): T
  }

  export interface Geometry {
    cylinders: number
    heads: number
    sectorsPerTrackCylinder: number
  }

  export interface FooterFields {
    cookie: string
    features: number
    fileFormatVersion: number
    /** `undefined` stands for all ones. */
    dataOffset: number | undefined
    /** Seconds since 2000. */
    timestamp: number
    creatorApplication: string
    creatorVersion: number
    creatorHostOs: number
    originalSize: number
    currentSize: number
    diskGeometry: Geometry
    diskType: number
    checksum: number
    uuid: Buffer
    /** One character or none: bytes are text here. */
    saved: string
    hidden: string
    reserved: string
  }

  export interface LocatorFields {
    platformCode: number
    platformDataSpace: number
    platformDataLength: number
    reserved: number
    platformDataOffset: number
  }

  export interface HeaderFields {
    cookie: string
    dataOffset: number | undefined
    tableOffset: number
    headerVersion: number
    maxTableEntries: number
    blockSize: number
    checksum: number
    parentUuid: Buffer
    parentTimestamp: number
    reserved1: number
    parentUnicodeName: string
    parentLocatorEntry: LocatorFields[]
    reserved2: string
  }

  export const fuFooter: Struct<FooterFields>
  export const fuHeader: Struct<HeaderFields>
  /** Writes the checksum into the packed structure and returns it. */
  export function checksumStruct<T>(buffer: Buffer, struct: Struct<T>): number
  export function packField(field: Field, value: unknown, buffer: Buffer): void
}

declare module 'vhd-lib/_constants.js' {
  export const BLOCK_UNUSED: number
  export const FOOTER_SIZE: number
  export const HEADER_SIZE: number
  export const SECTOR_SIZE: number
  export const DEFAULT_BLOCK_SIZE: number
  export const FOOTER_COOKIE: string
  export const HEADER_COOKIE: string
  export const DISK_TYPES: { readonly FIXED: number; readonly DYNAMIC: number; readonly DIFFERENCING: number }
  export const PARENT_LOCATOR_ENTRIES: number
  export const PLATFORMS: {
    readonly NONE: number
    readonly WI2R: number
    readonly WI2K: number
    readonly W2RU: number
    readonly W2KU: number
    readonly MAC: number
    readonly MACX: number
  }
  export const FILE_FORMAT_VERSION: number
  export const HEADER_VERSION: number
}
