import path from 'node:path'
import { parseMapperName } from '../lvm/names.ts'
import { isErrno, type Files } from '../os/files.ts'
import { vhdError } from './errors.ts'
import type { Locator } from './header.ts'
import { MAX_CHAIN_LENGTH } from './layout.ts'
import { decodeLocatorText, isDecodable, MAX_LOCATOR_LENGTH } from './locator.ts'
import type { Storage } from './Storage.ts'
import { ZERO_UUID } from './uuid.ts'
import { type OpenOptions, usingVhd, type VhdImage } from './VhdImage.ts'

const MAPPER_PATH = /^\/dev\/mapper\/([^/]+)$/

/** Where parents are looked for. With a limit nothing outside it is ever opened. */
export interface Place extends Limit {
  readonly files: Files
}

/** What an SR consists of. */
export interface Limit {
  /** Absolute path of the SR directory. */
  readonly boundary?: string
  /** Name of the SR's volume group: parents are active logical volumes of this group and nothing else. */
  readonly group?: string
}

export interface ParentRef {
  readonly path: string
  readonly raw: boolean
}

/**
 * The parent of an open image, undefined for a root (spec vhd 4.2).
 * Throws ENOENT where no locator leads to a file and EACCES where one leads out of the boundary.
 */
export async function findParent(place: Place, image: VhdImage): Promise<ParentRef | undefined> {
  if (!image.isDifferencing) return undefined
  for (const locator of image.header.locators) {
    const name = await readLocator(image.storage, locator)
    const found = name === undefined ? undefined : await resolveFrom(place, image.path, name)
    if (found !== undefined) return { path: found, raw: image.header.parentUuid === ZERO_UUID }
  }
  throw vhdError('ENOENT', `${image.path}: no parent locator leads to a file`)
}

/** What the first decodable locator of a differencing image says, not resolved. Throws EINVAL where there is none. */
export async function firstLocatorText(image: VhdImage): Promise<string> {
  for (const locator of image.header.locators) {
    const text = await readLocator(image.storage, locator)
    if (text !== undefined) return text
  }
  throw vhdError('EINVAL', `${image.path} has no parent locator that can be read`)
}

/** The text of a locator, undefined for one that is not used for finding a parent or has an unbelievable size. */
export async function readLocator(storage: Storage, locator: Locator): Promise<string | undefined> {
  const { code, length, offset, space } = locator
  if (!isDecodable(code) || length === 0 || length > Math.min(space, MAX_LOCATOR_LENGTH)) return undefined
  if (offset + length > storage.size) return undefined
  return decodeLocatorText(code, await storage.read(offset, length))
}

/**
 * The images from `leaf` to the root, each shown to `visit` while it is open; a raw root is not opened.
 * `visit` ends the walk by returning false. Throws ELOOP past the longest possible chain.
 */
export async function walkChain(
  place: Place,
  leaf: string,
  options: OpenOptions,
  visit: (image: VhdImage) => Promise<boolean>,
): Promise<ParentRef[]> {
  const seen: ParentRef[] = []
  let next: ParentRef | undefined = { path: leaf, raw: false }
  while (next !== undefined) {
    const { path: current, raw }: ParentRef = next
    if (seen.length === MAX_CHAIN_LENGTH) throw vhdError('ELOOP', `${leaf}: chain longer than ${MAX_CHAIN_LENGTH}`)
    if (seen.some(earlier => earlier.path === current)) throw vhdError('ELOOP', `${leaf}: its own ancestor`)
    seen.push(next)
    if (raw) break
    next = await usingVhd(place.files, current, options, async image =>
      (await visit(image)) ? findParent(place, image) : undefined,
    )
  }
  return seen
}

/**
 * The path by which an image is recorded (spec vhd 4.3): absolute, symbolic links resolved, logical volumes by their
 * device-mapper name. Throws ENOENT where it does not exist and EACCES where it lies outside the boundary.
 */
export async function canonicalPath({ files, boundary, group }: Place, name: string): Promise<string> {
  const absolute = path.resolve(name)
  const mapper = await mapperPath(files, absolute)
  const real = mapper ?? (await files.realpath(absolute))
  if (boundary !== undefined) await requireInside(files, boundary, real)
  if (group !== undefined && !isVolumeOf(group, real)) throw vhdError('EACCES', outside(real, group))
  return real
}

/** `./name` in the same directory, `../` per level otherwise (spec vhd 4.1). Both paths canonical. */
export function relativeFrom(childDirectory: string, parent: string): string {
  const relative = path.relative(childDirectory, parent)
  return relative.startsWith('../') ? relative : `./${relative}`
}

/** An absolute name as it is, else, like every other name, from the child's directory. */
async function resolveFrom(place: Place, child: string, name: string): Promise<string | undefined> {
  const directory = path.dirname(await canonicalOrSelf(place.files, child))
  const found = await resolveInside(place, child, path.resolve(directory, name))
  return found ?? (path.isAbsolute(name) ? resolveInside(place, child, path.join(directory, name)) : undefined)
}

async function resolveInside(place: Place, child: string, candidate: string): Promise<string | undefined> {
  const { boundary, files, group } = place
  if (boundary !== undefined && !isUnder(candidate, await files.realpath(boundary))) {
    throw vhdError('EACCES', `${child}: parent ${outside(candidate, boundary)}`)
  }
  if (group !== undefined && !isVolumeOf(group, mappedName(candidate) ?? candidate)) {
    throw vhdError('EACCES', `${child}: parent ${outside(candidate, group)}`)
  }
  try {
    return await canonicalPath(place, candidate)
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return undefined
    throw error
  }
}

async function canonicalOrSelf(files: Files, name: string): Promise<string> {
  return (await mapperPath(files, path.resolve(name))) ?? (await files.realpath(name))
}

async function requireInside(files: Files, boundary: string, real: string): Promise<void> {
  if (!isUnder(real, await files.realpath(boundary))) throw vhdError('EACCES', outside(real, boundary))
  if (!(await files.lstat(real)).isFile()) throw vhdError('EACCES', `${real} is not a regular file`)
}

function isUnder(file: string, directory: string): boolean {
  return file.startsWith(directory.endsWith('/') ? directory : `${directory}/`)
}

/** By its device-mapper name alone, which only root can give. */
function isVolumeOf(group: string, file: string): boolean {
  const [, name = ''] = MAPPER_PATH.exec(file) ?? []
  return parseMapperName(name)?.group === group
}

function outside(file: string, limit: string): string {
  return `${file} lies outside ${limit}`
}

async function mapperPath(files: Files, absolute: string): Promise<string | undefined> {
  const mapped = mappedName(absolute)
  return mapped !== undefined && (await files.exists(mapped)) ? mapped : undefined
}

/** The path under `/dev/mapper` that a path of a logical volume would have, whether it is there or not. */
function mappedName(absolute: string): string | undefined {
  return MAPPER_PATH.test(absolute) ? absolute : volumePath(absolute)
}

function volumePath(absolute: string): string | undefined {
  const [, group, volume] = /^\/dev\/([^/]+)\/([^/]+)$/.exec(absolute) ?? []
  if (group === undefined || volume === undefined) return undefined
  return `/dev/mapper/${group.replaceAll('-', '--')}-${volume.replaceAll('-', '--')}`
}
