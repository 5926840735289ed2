/** Whether a buffer holds nothing but zeroes. */
export function isZero(bytes: Buffer): boolean {
  return bytes.length === 0 || (bytes[0] === 0 && bytes.compare(bytes, 0, bytes.length - 1, 1, bytes.length) === 0)
}
