/** Big-endian fields of VHD structures, read where they lie: a scan decodes thousands of them. */

export function uint32(bytes: Buffer, offset: number): number {
  return bytes.readUInt32BE(offset)
}

/** Exact up to 2^53; what is larger is out of all bounds anyway. */
export function uint64(bytes: Buffer, offset: number): number {
  return bytes.readUInt32BE(offset) * 2 ** 32 + bytes.readUInt32BE(offset + 4)
}

/** A byte offset; undefined for all ones, which stands for none (spec vhd 2.2). */
export function optionalOffset(bytes: Buffer, offset: number): number | undefined {
  const none = uint32(bytes, offset) === 0xffff_ffff && uint32(bytes, offset + 4) === 0xffff_ffff
  return none ? undefined : uint64(bytes, offset)
}

/** Whether the checksum stored at `offset` is that of all other bytes (spec vhd 2.4). */
export function hasChecksumAt(bytes: Buffer, offset: number): boolean {
  return complementOfSum(bytes.subarray(0, offset), bytes.subarray(offset + 4)) === uint32(bytes, offset)
}

/** One's complement of the byte sum: the checksum of all VHD structures (spec vhd 2.4, 9.1). */
export function complementOfSum(...parts: readonly Buffer[]): number {
  let sum = 0
  for (const part of parts) for (let at = 0; at < part.length; at += 1) sum += part[at] ?? 0
  return ~sum >>> 0
}
