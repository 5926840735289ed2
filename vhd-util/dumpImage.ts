import { PLATFORMS } from 'vhd-lib/_constants.js'
import { HEADER_SIZE, FOOTER_SIZE } from '../lib/vhd/layout.ts'
import type { Files } from '../lib/os/files.ts'
import { readLocator } from '../lib/vhd/parents.ts'
import { openStorage } from '../lib/vhd/Storage.ts'
import { VhdError } from '../lib/vhd/VhdUtil.ts'
import type { VhdImage } from '../lib/vhd/VhdImage.ts'
import { dumpBatmap, dumpFooter, dumpHeader, type Format } from './dump.ts'

const LOCATORS = { offset: 576, size: 24 } as const

const CODE_NAMES = new Map(Object.entries(PLATFORMS).map(([name, code]) => [code, `PLAT_CODE_${name}`]))

/** Everything `read -p` prints of an image that opens (spec vhd 7.4). */
export async function dumpImage(image: VhdImage, format: Format): Promise<string> {
  const parts = [dumpFooter(image.footer.raw, format)]
  if (image.isFixed) return parts.join('')
  parts.push(dumpHeader(image.header.raw, format))
  if (image.isDifferencing) parts.push(await dumpLocators(image, format))
  if (image.footer.hasBatmap) parts.push(await batmapPart(image, format))
  return parts.join('')
}

/** Footer copy and header of a file that does not open; what cannot be read is zeroes. */
export async function dumpHeads(files: Files, file: string, format: Format): Promise<string> {
  const head = Buffer.alloc(FOOTER_SIZE + HEADER_SIZE)
  const storage = await openStorage(files, file, false)
  await storage.file.readInto(head, 0).finally(() => storage.close())
  return dumpFooter(head.subarray(0, FOOTER_SIZE), format) + dumpHeader(head.subarray(FOOTER_SIZE), format)
}

async function dumpLocators(image: VhdImage, format: Format): Promise<string> {
  const parts: string[] = []
  for (const locator of image.header.locators) {
    const entry = image.header.raw.subarray(LOCATORS.offset + locator.index * LOCATORS.size)
    const fields: readonly (readonly [string, string])[] = [
      ['code', CODE_NAMES.get(locator.code) ?? 'UNKNOWN'],
      ['data_space', format(entry.readUInt32BE(4))],
      ['data_length', format(entry.readUInt32BE(8))],
      ['data_offset', format(entry.readBigUInt64BE(16))],
      ['decoded name', (await readLocator(image.storage, locator)) ?? ''],
    ]
    const lines = fields.map(([label, value]) => `       ${label.padEnd(13)}: ${value}\n`)
    parts.push(`locator:            : ${locator.index}\n${lines.join('')}\n`)
  }
  return `VHD Parent Locators:\n--------------------\n${parts.join('')}`
}

async function batmapPart(image: VhdImage, format: Format): Promise<string> {
  try {
    const batmap = await image.readBatmap()
    return batmap === undefined ? '' : dumpBatmap(batmap, format)
  } catch (error) {
    if (error instanceof VhdError) return 'failed to get batmap header\n'
    throw error
  }
}
