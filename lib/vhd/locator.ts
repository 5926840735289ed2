import { PLATFORMS } from 'vhd-lib/_constants.js'
import { vhdError } from './errors.ts'
import type { Locator } from './header.ts'
import { padToSector } from './layout.ts'

/** No path the tool accepts is longer (spec vhd 1); in UTF-16 with `.\` that is this many bytes at most. */
export const MAX_LOCATOR_LENGTH = 2048

const MAX_PATH = 999
const MACX_PREFIX = 'file://'
const WRITTEN_CODES = [PLATFORMS.MACX, PLATFORMS.W2KU, PLATFORMS.W2RU]

export interface EncodedLocator {
  readonly locator: Locator
  /** Padded to the locator's space. */
  readonly bytes: Buffer
}

/**
 * The three locators of a link, one after the other from `offset` (spec vhd 4.1).
 * `relative` is the parent's path from the child's directory: `./name` or `../…/name`.
 * Throws EILSEQ for a name that is not ASCII, ENAMETOOLONG for one that no tool accepts.
 */
export function encodeLocators(relative: string, offset: number): EncodedLocator[] {
  let next = offset
  return WRITTEN_CODES.map((code, index) => {
    const text = encodeLocatorText(code, relative)
    const space = padToSector(text.length)
    const locator = { index, code, space, length: text.length, offset: next }
    next += space
    return { locator, bytes: Buffer.concat([text], space) }
  })
}

/** The bytes a locator of platform `code` holds for a relative path. */
export function encodeLocatorText(code: number, relative: string): Buffer {
  if (!isAscii(relative)) throw vhdError('EILSEQ', `parent name ${JSON.stringify(relative)} is not ASCII`)
  if (relative.length > MAX_PATH) throw vhdError('ENAMETOOLONG', `parent name ${relative} is too long`)
  if (code === PLATFORMS.MACX) return Buffer.from(MACX_PREFIX + relative, 'latin1')
  const windows = (relative.startsWith('./') ? relative : `./${relative}`).replaceAll('/', '\\')
  return Buffer.from(windows, 'utf16le')
}

/** The path a locator holds, undefined for a platform that is not decoded or for text that is no path (spec vhd 4.2). */
export function decodeLocatorText(code: number, bytes: Buffer): string | undefined {
  const text = decode(code, bytes)
  return text === undefined || text === '' || text.includes('\0') ? undefined : text
}

/** Whether this platform's locators are read and rewritten. */
export function isDecodable(code: number): boolean {
  return WRITTEN_CODES.includes(code)
}

function decode(code: number, bytes: Buffer): string | undefined {
  if (code === PLATFORMS.MACX) {
    const text = bytes.toString('utf8')
    return text.startsWith(MACX_PREFIX) ? text.slice(MACX_PREFIX.length) : undefined
  }
  if (!isDecodable(code)) return undefined
  const text = bytes.subarray(0, bytes.length - (bytes.length % 2)).toString('utf16le')
  return text.replace(/^[Cc]:/, '').replaceAll('\\', '/')
}

function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length
}
