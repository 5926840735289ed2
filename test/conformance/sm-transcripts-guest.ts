import { createHash } from 'node:crypto'
import path from 'node:path'
import { usingReader } from '../../lib/lvm/VolumeReader.ts'
import type { Files } from '../../lib/os/files.ts'
import { openImage } from '../../lib/vhd/openImage.ts'
import { RawLayer } from '../../lib/vhd/RawLayer.ts'
import { VhdChain } from '../../lib/vhd/VhdChain.ts'
import { VhdLeafWriter } from '../../lib/vhd/VhdLeafWriter.ts'
import { readLayers } from '../support/volumeLayers.ts'
import type { Box } from './sm-transcripts-box.ts'
import { volumeGroupOf } from './sm-transcripts-volumes.ts'

const CHUNK = 1024 * 1024
const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, M: CHUNK }

/** What a guest reads of a disk, and the images that it comes from: their names, of a file SR, or how many there are. */
export interface GuestView {
  readonly sha256: string
  readonly virtual_size: number
  readonly chain?: readonly string[]
  readonly depth?: number
  /** It is a raw volume, with nothing above it. */
  readonly isRaw?: boolean
}

/** The disks of an SR as guests have them, by uuid. */
export interface GuestDisks {
  /** Does what a guest did, told as qemu-io commands `write -P BYTE OFFSET LENGTH`. Throws Error for any other. */
  readonly write: (vdi: string, commands: readonly string[]) => Promise<void>
  readonly view: (vdi: string) => Promise<GuestView>
}

export function guestDisksOf(box: Box): GuestDisks {
  const { files } = box.system
  if (box.isVolumeGroup) {
    return {
      write: async (vdi, commands) => {
        const group = volumeGroupOf(box)
        await writeAll(files, commands, group.path(`VHD-${vdi}`), { group: group.name })
      },
      view: vdi => volumeView(box, vdi),
    }
  }
  const image = (vdi: string) => path.join(box.location, `${vdi}.vhd`)
  return {
    write: (vdi, commands) => writeAll(files, commands, image(vdi), { boundary: box.location }),
    view: vdi => guestView(files, image(vdi)),
  }
}

type Limit = Parameters<typeof VhdLeafWriter.open>[2]

async function writeAll(files: Files, commands: readonly string[], image: string, limit: Limit): Promise<void> {
  const writer = await VhdLeafWriter.open(files, image, limit)
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
export async function guestView(files: Files, image: string) {
  const disk = await openImage(files, image, { boundary: path.dirname(image) })
  try {
    const chain = disk.images.map(name => path.basename(name))
    return { sha256: await hashOf(disk), virtual_size: disk.virtualSize, chain }
  } finally {
    await disk.close()
  }
}

/** Read where it lies, active or not. */
async function volumeView(box: Box, vdi: string): Promise<GuestView> {
  return usingReader(box.system.files, async reader => {
    const layers = await readLayers(volumeGroupOf(box), reader, vdi)
    const disk = new VhdChain(
      layers.map(({ layer }) => layer),
      layers[0]?.size ?? 0,
    )
    const isRaw = layers[0]?.layer instanceof RawLayer
    return { sha256: await hashOf(disk), virtual_size: disk.virtualSize, depth: layers.length, isRaw }
  })
}

async function hashOf(disk: {
  readonly virtualSize: number
  readonly read: (position: number, length: number) => Promise<Buffer>
}): Promise<string> {
  const hash = createHash('sha256')
  for (let at = 0; at < disk.virtualSize; at += CHUNK) {
    hash.update(await disk.read(at, Math.min(CHUNK, disk.virtualSize - at)))
  }
  return hash.digest('hex')
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
