import { createHash } from 'node:crypto'
import path from 'node:path'
import type { Files } from '../../lib/os/files.ts'
import { openImage } from '../../lib/vhd/openImage.ts'
import { VhdLeafWriter } from '../../lib/vhd/VhdLeafWriter.ts'

const CHUNK = 1024 * 1024
const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, M: CHUNK }

/** Does to a disk what a guest did, told as qemu-io commands `write -P BYTE OFFSET LENGTH`. Throws Error for any other. */
export async function guestWrites(files: Files, image: string, commands: readonly string[]): Promise<void> {
  const writer = await VhdLeafWriter.open(files, image, { boundary: path.dirname(image) })
  try {
    for (const command of commands) {
      const { pattern, offset, length } = parseWrite(command)
      await writer.write(offset, Buffer.alloc(length, pattern))
    }
  } finally {
    await writer.close()
  }
}

/** Everything a guest reads of a disk, and which files it comes from. */
export async function guestView(
  files: Files,
  image: string,
): Promise<{ sha256: string; virtual_size: number; chain: string[] }> {
  const disk = await openImage(files, image, { boundary: path.dirname(image) })
  try {
    const hash = createHash('sha256')
    for (let at = 0; at < disk.virtualSize; at += CHUNK) {
      hash.update(await disk.read(at, Math.min(CHUNK, disk.virtualSize - at)))
    }
    const chain = disk.images.map(name => path.basename(name))
    return { sha256: hash.digest('hex'), virtual_size: disk.virtualSize, chain }
  } finally {
    await disk.close()
  }
}

function parseWrite(command: string): { pattern: number; offset: number; length: number } {
  const match = /^write -P (0x[0-9a-f]+) (\d+[kM]?) (\d+[kM]?)$/.exec(command)
  const [, pattern = '', offset = '', length = ''] = match ?? []
  if (match === null) throw new Error(`unknown guest command: ${command}`)
  return { pattern: Number(pattern), offset: bytes(offset), length: bytes(length) }
}

function bytes(text: string): number {
  const unit = UNITS[text.replace(/\d+/, '')]
  if (unit === undefined) throw new Error(`unknown unit: ${text}`)
  return Number.parseInt(text, 10) * unit
}
