/** Runs of equal bits in a sector bitmap, most significant bit first (spec vhd 2.7). `first` and `end` are sectors of the block. */
export function* bitRuns(
  bitmap: Buffer,
  first: number,
  end: number,
): IterableIterator<{ readonly present: boolean; readonly first: number; readonly end: number }> {
  let start = first
  while (start < end) {
    const present = hasBit(bitmap, start)
    let stop = start + 1
    while (stop < end && hasBit(bitmap, stop) === present) stop += wholeByte(bitmap, stop, end, present) ? 8 : 1
    yield { present, first: start, end: stop }
    start = stop
  }
}

/** Sets the bits of `[first, end)`. Says whether any was clear before. */
export function setBits(bitmap: Buffer, first: number, end: number): boolean {
  let changed = false
  let sector = first
  while (sector < end) {
    const byte = sector >> 3
    const stop = Math.min(end, (byte + 1) * 8)
    const old = bitmap.readUInt8(byte)
    const mask = (0xff >> (sector & 7)) & (0xff << ((byte + 1) * 8 - stop))
    changed ||= (old & mask) !== mask
    bitmap.writeUInt8(old | mask, byte)
    sector = stop
  }
  return changed
}

/** Whether the first `count` bits are all set. */
export function isFull(bitmap: Buffer, count: number): boolean {
  for (const run of bitRuns(bitmap, 0, count)) return run.present && run.end === count
  return true
}

/** Whether the first `count` bits are all clear. */
export function isEmpty(bitmap: Buffer, count: number): boolean {
  for (const run of bitRuns(bitmap, 0, count)) return !run.present && run.end === count
  return true
}

function hasBit(bitmap: Buffer, sector: number): boolean {
  return ((bitmap[sector >> 3] ?? 0) & (0x80 >> (sector & 7))) !== 0
}

function wholeByte(bitmap: Buffer, sector: number, end: number, present: boolean): boolean {
  return (sector & 7) === 0 && sector + 8 <= end && bitmap[sector >> 3] === (present ? 0xff : 0)
}
