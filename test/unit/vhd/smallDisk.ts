import { checksumStruct, fuFooter, fuHeader } from 'vhd-lib/_structs.js'
import type { Files } from '../../../lib/os/files.ts'
import { createDisk } from '../../../lib/vhd/create.ts'
import { snapshotVhd } from '../../../lib/vhd/snapshot.ts'
import type { MemoryFiles } from './MemoryFiles.ts'
import { newUuid } from './support.ts'

/** Blocks of a few sectors make disks small enough for thousands of runs. */
export const SMALL_BLOCK = 8 * 512
export const SMALL_BLOCKS = 12
export const SMALL_SIZE = SMALL_BLOCKS * SMALL_BLOCK

const NORMAL_BLOCK = 2 * 1024 * 1024
const NOW = 1_704_164_645_000

/** A dynamic disk of small blocks, its virtual size in bytes. */
export async function makeSmallDisk(files: MemoryFiles, name: string, size = SMALL_SIZE): Promise<void> {
  await createDisk(files, { path: name, size: roomFor(size), uuid: newUuid(), now: NOW })
  shrinkBlocks(files, name, size)
}

/** An empty child with small blocks; the virtual size is the parent's unless given. */
export async function makeSmallChild(
  files: MemoryFiles,
  name: string,
  { parent, raw = false, size = SMALL_SIZE }: { parent: string; raw?: boolean; size?: number },
): Promise<void> {
  const place = { files: files as Files, newUuid, now: () => NOW }
  await snapshotVhd(place, name, parent, { parentRaw: raw, exactParent: true, maxSize: roomFor(size) })
  shrinkBlocks(files, name, size)
}

/** As many entries as the small blocks need. */
function roomFor(size: number): number {
  return Math.ceil(size / SMALL_BLOCK) * NORMAL_BLOCK
}

function shrinkBlocks(files: MemoryFiles, name: string, size: number): void {
  const node = files.nodes.get(name)
  if (node === undefined) throw new Error(`no ${name}`)
  const bytes = node.content()
  bytes.writeUInt32BE(SMALL_BLOCK, 512 + 32)
  checksumStruct(bytes.subarray(512, 1536), fuHeader)
  for (const footer of [bytes.subarray(0, 512), bytes.subarray(bytes.length - 512)]) {
    footer.writeBigUInt64BE(BigInt(size), 40)
    footer.writeBigUInt64BE(BigInt(size), 48)
    footer.writeUInt32BE(0, 56)
    checksumStruct(footer, fuFooter)
  }
  node.write(bytes, 0)
  node.sync()
}
