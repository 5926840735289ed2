import type { DiskImage } from '../../lib/vhd/DiskImage.ts'
import type { OpenFile } from '../../lib/os/OpenFile.ts'
import { isZero } from '../../lib/disk/isZero.ts'
import { COPY_BLOCK } from './source.ts'

type OnProgress = (done: number) => void

/** Writes a disk to an empty file; zeroes become holes. Returns the bytes written. */
export async function copyToFile(disk: DiskImage, file: OpenFile, onProgress: OnProgress): Promise<number> {
  let written = 0
  await file.truncate(disk.virtualSize)
  for (const { offset, length } of disk.allocatedRanges()) {
    for (const [position, size] of pieces(offset, length)) {
      const bytes = await disk.read(position, size)
      if (!isZero(bytes)) {
        await file.write(bytes, position)
        written += size
      }
      onProgress(position + size)
    }
  }
  await file.sync()
  return written
}

/** Writes a disk to a stream, all its bytes in order. */
export async function copyToStream(
  disk: DiskImage,
  write: (bytes: Buffer) => Promise<void>,
  onProgress: OnProgress,
): Promise<void> {
  for (const [position, size] of pieces(0, disk.virtualSize)) {
    await write(await disk.read(position, size))
    onProgress(position + size)
  }
}

function* pieces(offset: number, length: number): IterableIterator<[position: number, size: number]> {
  const end = offset + length
  for (let position = offset; position < end; position += COPY_BLOCK) {
    yield [position, Math.min(COPY_BLOCK, end - position)]
  }
}
