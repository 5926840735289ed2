import path from 'node:path'
import type { Files } from '../os/files.ts'
import type { DiskImage, WritableDiskImage } from './DiskImage.ts'
import { asVhdError, vhdError } from './errors.ts'
import { canonicalPath, type Limit } from './parents.ts'
import { openRaw, RawImage } from './RawImage.ts'
import { VhdChain } from './VhdChain.ts'
import { openVhd } from './VhdImage.ts'
import { VhdLeafWriter } from './VhdLeafWriter.ts'

/** Nothing outside the SR is opened. */
export interface OpenImageOptions extends Limit {
  readonly write?: boolean
  /** See `WriterOptions`. */
  readonly writeThrough?: boolean
}

/**
 * Opens a disk by the extension of its file, `.vhd` (with its whole chain) or `.raw`.
 * Throws EINVAL for any other extension, EROFS for writing to a hidden VHD, and as `VhdChain.open`.
 */
export async function openImage(
  files: Files,
  file: string,
  options: OpenImageOptions & { readonly write: true },
): Promise<WritableDiskImage>
export async function openImage(files: Files, file: string, options?: OpenImageOptions): Promise<DiskImage>
export async function openImage(files: Files, file: string, options: OpenImageOptions = {}): Promise<DiskImage> {
  const write = options.write === true
  const extension = path.extname(file)
  if (extension === '.raw') {
    return asVhdError(file, async () => openRaw(files, await canonicalPath({ files, ...options }, file), write))
  }
  if (extension !== '.vhd') throw vhdError('EINVAL', `${file} is neither .vhd nor .raw`)
  if (!write) return VhdChain.open(files, file, options)
  return openFixedOrChain(files, file, options)
}

/**
 * Opens a VHD for writing, whatever its name: a fixed one as it is, any other with its whole chain.
 * Throws EROFS for a hidden one and as `VhdChain.open`.
 */
export async function openFixedOrChain(
  files: Files,
  file: string,
  options: Omit<OpenImageOptions, 'write'>,
): Promise<WritableDiskImage> {
  return (await openFixed(files, file, options)) ?? VhdLeafWriter.open(files, file, options)
}

/** A fixed disk needs no tables: its data is written as it is. */
async function openFixed(files: Files, file: string, options: OpenImageOptions): Promise<RawImage | undefined> {
  return asVhdError(file, async () => {
    const image = await openVhd(files, await canonicalPath({ files, ...options }, file), { write: true })
    if (image.isFixed && image.footer.hidden === 0) return new RawImage(image.storage, image.virtualSize)
    await image.close()
    if (image.footer.hidden !== 0) throw vhdError('EROFS', `${file} is hidden: others may depend on it`)
    return undefined
  })
}
