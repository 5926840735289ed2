import path from 'node:path'
import { vhdError } from './errors.ts'
import { findParent, type ParentRef, type Place, readLocator } from './parents.ts'
import { usingVhd, type VhdImage } from './VhdImage.ts'
import { VhdError } from './VhdUtil.ts'

export interface ParentCheckOptions {
  readonly ignoreParentUuid?: boolean
}

/**
 * Locators agree with the header and lead to the disk the header means (spec vhd 7.7). Returns the parent. Throws EINVAL,
 * or ENOENT for a missing parent.
 */
export async function checkParent(
  place: Place,
  image: VhdImage,
  options: ParentCheckOptions = {},
): Promise<ParentRef | undefined> {
  const names = await checkLocators(image)
  const parent = await findParent(place, image).catch((error: unknown) => {
    if (!(error instanceof VhdError)) throw error
    throw vhdError(error.code, `error resolving ${names[0] ?? image.header.parentName}: -${error.errno}`, error)
  })
  if (parent === undefined || parent.raw || options.ignoreParentUuid === true) return parent
  const uuid = await usingVhd(place.files, parent.path, {}, opened => Promise.resolve(opened.footer.uuid))
  if (uuid !== image.header.parentUuid) throw vhdError('EINVAL', `invalid parent ${parent.path}: invalid parent uuid`)
  return parent
}

/** The locators agree with the header. Returns their texts. Throws EINVAL. */
export async function checkLocators(image: VhdImage): Promise<string[]> {
  const { locators, parentName } = image.header
  if (locators.length === 0) throw vhdError('EINVAL', 'differencing header is invalid: no parent locator')
  const codes = new Set<number>()
  const names: string[] = []
  for (const locator of locators) {
    if (codes.has(locator.code)) throw vhdError('EINVAL', `duplicate platform code in parent locator ${locator.index}`)
    codes.add(locator.code)
    const name = await readLocator(image.storage, locator)
    if (name === undefined) throw vhdError('EINVAL', `invalid parent locator ${locator.index}: unreadable`)
    requireSameName(locator.index, name, parentName)
    names.push(name)
  }
  return names
}

function requireSameName(index: number, text: string, parentName: string): void {
  const name = path.basename(text)
  if (name === parentName) return
  throw vhdError('EINVAL', `parent locator ${index} name (${name}) does not match header name (${parentName})`)
}
