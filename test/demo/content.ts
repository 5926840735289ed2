import { createCipheriv, createHash } from 'node:crypto'
import { isZero } from '../../lib/disk/isZero.ts'
import type { GuestDisk } from './guestDisk.ts'

const MIB = 1024 * 1024
const BLOCK = 2 * MIB

/** Data that never repeats and is the same for the same seed: the key stream of a cipher. */
export function pseudoRandom(seed: string, length: number): Buffer {
  const key = createHash('sha256').update(seed).digest().subarray(0, 16)
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length))
}

/** Writes `count` pieces of 2 MiB at odd places all over the disk. Returns the bytes written. */
export async function writeScattered(disk: GuestDisk, seed: string, count: number): Promise<number> {
  const step = Math.floor((disk.virtualSize - BLOCK) / count)
  for (let piece = 0; piece < count; piece += 1) {
    const offset = pseudoRandom(`${seed} offset ${piece}`, 4).readUInt32BE() % Math.max(1, step - BLOCK)
    await disk.write(piece * step + offset, pseudoRandom(`${seed} ${piece}`, BLOCK))
  }
  return count * BLOCK
}

/** A disk's content as it is read through its chain. */
export interface Content {
  /** SHA-256 over the SHA-256 of every 2 MiB block, from the first byte to the last, hexadecimal. */
  readonly checksum: string
  readonly size: number
}

export async function readContent(disk: GuestDisk): Promise<Content> {
  const whole = createHash('sha256')
  const zeroes = digest(Buffer.alloc(BLOCK))
  for (let position = 0; position < disk.virtualSize; position += BLOCK) {
    const block = await disk.read(position, Math.min(BLOCK, disk.virtualSize - position))
    whole.update(block.length === BLOCK && isZero(block) ? zeroes : digest(block))
  }
  return { checksum: whole.digest('hex'), size: disk.virtualSize }
}

function digest(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest()
}
