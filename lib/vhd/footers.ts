import { isErrno } from '../os/files.ts'
import type { Footer } from './footer.ts'
import { FOOTER_SIZE } from './layout.ts'
import type { VhdImage } from './VhdImage.ts'

/** Where the end footer belongs: the last sector of a device, the end of data of a file (spec vhd 2.1, 5). */
export async function endFooterOffset(image: VhdImage): Promise<number> {
  if (image.storage.isDevice || image.isFixed) return image.storage.size - FOOTER_SIZE
  return image.endOfData(await image.readTable(), await image.readBatmap())
}

/**
 * Writes both footers: the end one, which a full open believes, first and the copy at 0 last; what lies behind the
 * end footer of a file is cut off (spec vhd 8).
 */
export async function writeFooters(image: VhdImage, footer: Footer, end: number): Promise<void> {
  await writeEndFooter(image, footer, end)
  await writeFooterCopy(image, footer)
  image.footer = footer
}

/** Like `writeFooters`, but on a full disk the copy at 0 alone is enough (spec vhd 7.5). */
export async function writeFootersIfRoom(image: VhdImage, footer: Footer, end: number): Promise<void> {
  try {
    await writeEndFooter(image, footer, end)
  } catch (error) {
    const full = isErrno(error, 'ENOSPC') || isErrno(error, 'EDQUOT')
    if (!full || image.isFixed) throw error
  }
  await writeFooterCopy(image, footer)
  image.footer = footer
}

async function writeEndFooter({ storage }: VhdImage, footer: Footer, end: number): Promise<void> {
  await storage.write(footer.raw, end)
  await storage.setLength(end + FOOTER_SIZE)
}

async function writeFooterCopy(image: VhdImage, footer: Footer): Promise<void> {
  if (!image.isFixed) await image.storage.write(footer.raw, 0)
}
