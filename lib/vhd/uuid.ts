const FORM = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

export const ZERO_UUID = '00000000-0000-0000-0000-000000000000'

/** 16 bytes in plain order (spec vhd 2.2). Throws a RangeError for text that is no uuid. */
export function uuidToBytes(uuid: string): Buffer {
  if (!FORM.test(uuid)) throw new RangeError(`not a uuid: ${uuid}`)
  return Buffer.from(uuid.replaceAll('-', ''), 'hex')
}

/** Canonical lower-case text of 16 bytes. */
export function bytesToUuid(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-')
}
