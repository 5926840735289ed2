import { SECTOR_SIZE } from './layout.ts'
import type { Storage } from './Storage.ts'

/** Sectors on their way to a place in an image. */
export interface Payload {
  /** Bytes, whole sectors. */
  readonly length: number
  /** A part of it; offset and length in bytes. */
  part(offset: number, length: number): Payload
  put(storage: Storage, position: number): Promise<void>
}

/** Throws RangeError unless `bytes` are whole sectors. */
export function bytesPayload(bytes: Buffer): Payload {
  if (bytes.length % SECTOR_SIZE !== 0) throw new RangeError(`${bytes.length} bytes are no whole sectors`)
  return {
    length: bytes.length,
    part: (offset, length) => bytesPayload(bytes.subarray(offset, offset + length)),
    put: (storage, position) => storage.write(bytes, position),
  }
}

/** Zeroes; with `allocate` they are written even where a hole would read the same. */
export function zeroPayload(length: number, allocate: boolean): Payload {
  return {
    length,
    part: (_, partLength) => zeroPayload(partLength, allocate),
    put: (storage, position) => (allocate ? storage.writeZeroes(position, length) : storage.makeZero(position, length)),
  }
}

/** What another image holds at a place, moved without passing through this process where the system can. */
export function copyPayload(source: Storage, from: number, length: number): Payload {
  return {
    length,
    part: (offset, partLength) => copyPayload(source, from + offset, partLength),
    put: (storage, position) => storage.copyFrom(source, { from, to: position, length }),
  }
}
