import path from 'node:path'
import { PLATFORMS } from 'vhd-lib/_constants.js'
import { keyHashOf, makeKey, readBatmapHeader, withKey } from './Batmap.ts'
import { vhdError } from './errors.ts'
import { changeFooter } from './footer.ts'
import { endFooterOffset, writeFooters, writeFootersIfRoom } from './footers.ts'
import { batmapHeaderOffset, changeHeader, type Locator } from './header.ts'
import { BLOCK_UNUSED, FOOTER_SIZE, SECTOR_SIZE } from './layout.ts'
import { encodeLocatorText, isDecodable } from './locator.ts'
import { canonicalPath, type Place, relativeFrom } from './parents.ts'
import { linkTo } from './snapshot.ts'
import { ZERO_UUID } from './uuid.ts'
import { usingVhd, type VhdImage } from './VhdImage.ts'

/** Sets or clears the hidden flag in both footers (spec vhd 7.5). */
export async function setHiddenFlag(image: VhdImage, hidden: boolean): Promise<void> {
  await setHiddenByte(image, hidden ? 1 : 0)
}

/** Stores any byte as the hidden flag; only 0 and 1 are sound (spec vhd 7.5). */
export async function setHiddenByte(image: VhdImage, hidden: number): Promise<void> {
  const footer = changeFooter(image.footer, { hidden })
  const end = await endFooterOffset(image)
  await (hidden === 0 ? writeFooters(image, footer, end) : writeFootersIfRoom(image, footer, end))
  await image.storage.sync()
}

/**
 * Moves the end footer to where a device of `bytes` will end (spec vhd 5, 7.6 `-s`). Throws EINVAL for a size that cuts
 * into the data or is no multiple of 512, ENOSPC past the end of a device.
 */
export async function setPhysicalSize(image: VhdImage, bytes: number): Promise<void> {
  const least = (await endOfData(image)) + FOOTER_SIZE
  if (bytes < least || bytes % SECTOR_SIZE !== 0) {
    throw vhdError('EINVAL', `${image.path}: physical size ${bytes} where ${least} are needed`)
  }
  await image.storage.write(image.footer.raw, bytes - FOOTER_SIZE)
  await image.storage.sync()
}

async function endOfData(image: VhdImage): Promise<number> {
  if (image.isFixed) return image.virtualSize
  return image.endOfData(await image.readTable(), await image.readBatmap())
}

/** Restores both footers from the one that was found valid; a null uuid is replaced (spec vhd 7.11). */
export async function repairFooters(image: VhdImage, newUuid: () => string): Promise<void> {
  const changes = image.footer.uuid === ZERO_UUID ? { uuid: newUuid() } : {}
  await writeFooters(image, changeFooter(image.footer, changes), await endFooterOffset(image))
  await image.storage.sync()
}

/** Makes all blocks unused and gives their room back (spec vhd 7.6 `-z`). Throws ENOSYS on a fixed disk. */
export async function dropData(image: VhdImage): Promise<void> {
  const { storage, header } = image
  const table = await image.readTable()
  const batmap = await image.readBatmap()
  for (let block = 0; block < table.count; block++) table.set(block, BLOCK_UNUSED)
  await storage.write(table.bytes, header.tableOffset)
  if (batmap !== undefined) {
    batmap.bits.fill(0)
    await storage.write(batmap.bits, batmap.header.offset)
    await storage.write(batmap.headerBytes(), batmapHeaderOffset(header))
  }
  await writeFooters(image, image.footer, await endFooterOffset(image))
  await storage.sync()
}

export interface NewLink {
  readonly parent: string
  readonly raw: boolean
  /** Called between the steps, so that a test can stop there. */
  readonly at?: (point: 'REPARENT_BEGIN' | 'REPARENT_LOCATOR' | 'REPARENT_END') => void
}

/**
 * Links a differencing disk to another parent (spec vhd 7.6 `-p`). Nothing is written unless everything fits.
 * Throws EINVAL for a disk that has no parent or no locator to rewrite, ENAMETOOLONG, EILSEQ.
 */
export async function relink(place: Place, image: VhdImage, { parent, raw, at }: NewLink): Promise<void> {
  if (!image.isDifferencing) throw vhdError('EINVAL', `${image.path} has no parent to change`)
  const target = await canonicalPath(place, parent)
  const self = await canonicalPath(place, image.path)
  if (target === self) throw vhdError('EINVAL', `${image.path} cannot be its own parent`)
  const uuid = raw ? ZERO_UUID : await uuidOf(place, target)
  const directory = path.dirname(self)
  const rewritten = rewriteLocators(image, relativeFrom(directory, target))
  const header = changeHeader(image.header, {
    parent: await linkTo(place, target, uuid),
    locators: rewritten.map(({ locator }) => locator),
  })
  at?.('REPARENT_BEGIN')
  for (const { locator, bytes } of rewritten) await image.storage.write(bytes, locator.offset)
  at?.('REPARENT_LOCATOR')
  await image.storage.write(header.raw, headerOffset(image))
  image.header = header
  await image.storage.sync()
  at?.('REPARENT_END')
}

/** The key hash in hexadecimal, undefined where none is set. */
export async function readKeyHash(image: VhdImage): Promise<string | undefined> {
  if (image.isFixed || !image.footer.hasBatmap) return undefined
  return keyHashOf(await readBatmapHeader(image.storage, batmapHeaderOffset(image.header)))
}

/** Sets the key of a disk that holds nothing yet (spec vhd 7.14). Throws EINVAL on one that does. */
export async function writeKeyHash(image: VhdImage, hash: string, nonce?: string): Promise<void> {
  const key = makeKey(hash, nonce)
  if (image.isFixed || !image.footer.hasBatmap) throw vhdError('EINVAL', `${image.path} has no place for a key`)
  if (!(await image.readTable()).isEmpty) throw vhdError('EINVAL', `${image.path} holds data: its key cannot change`)
  const offset = batmapHeaderOffset(image.header)
  const header = await readBatmapHeader(image.storage, offset)
  await image.storage.write(withKey(header, key).raw, offset)
  await image.storage.sync()
}

/** Byte offset of the dynamic header. */
export function headerOffset(image: VhdImage): number {
  if (image.footer.dataOffset === undefined) throw vhdError('ENOSYS', `${image.path} has no dynamic header`)
  return image.footer.dataOffset
}

function rewriteLocators(image: VhdImage, relative: string): { locator: Locator; bytes: Buffer }[] {
  const decodable = image.header.locators.filter(({ code }) => isDecodable(code))
  if (decodable.length === 0) throw vhdError('EINVAL', `${image.path} has no parent locator`)
  return decodable.map(locator => {
    const text = encodeLocatorText(locator.code, relative)
    if (text.length > locator.space) {
      const platform = locator.code === PLATFORMS.MACX ? 'MacX' : 'W2'
      throw vhdError('ENAMETOOLONG', `${relative} does not fit the ${platform} locator of ${image.path}`)
    }
    if (locator.offset + locator.space > image.storage.size) {
      throw vhdError('EINVAL', `${image.path}: locator ${locator.index} lies outside the image`)
    }
    return { locator: { ...locator, length: text.length }, bytes: Buffer.concat([text], locator.space) }
  })
}

async function uuidOf({ files }: Place, parent: string): Promise<string> {
  return usingVhd(files, parent, {}, image => Promise.resolve(image.footer.uuid))
}
