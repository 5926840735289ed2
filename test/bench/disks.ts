import { open } from 'node:fs/promises'
import { makeSystem } from '../../lib/os/system.ts'
import { EmbeddedVhdUtil } from '../../lib/vhd/EmbeddedVhdUtil.ts'
import { openImage } from '../../lib/vhd/openImage.ts'

export const BLOCK = 2 * 1024 * 1024

export const files = makeSystem().files
export const util = new EmbeddedVhdUtil(makeSystem())

/** Fills a disk from end to end. */
export async function fillDisk(file: string, size: number): Promise<void> {
  const disk = await openImage(files, file, { write: true })
  for (let at = 0; at < size; at += BLOCK) await disk.write(at, Buffer.alloc(BLOCK, 1 + ((at / BLOCK) % 250)))
  await disk.close()
}

/** The plain way to move bytes: one buffer of 2 MiB, read and write in turns, then durable. */
export async function copyInLoop(from: string, to: string, size: number): Promise<void> {
  const buffer = Buffer.allocUnsafe(BLOCK)
  const source = await open(from, 'r')
  const target = await open(to, 'r+')
  for (let at = 0; at < size; at += BLOCK) {
    const { bytesRead } = await source.read(buffer, 0, BLOCK, at)
    await target.write(buffer, 0, bytesRead, at)
  }
  await target.sync()
  await source.close()
  await target.close()
}
