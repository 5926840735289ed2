import path from 'node:path'
import type { System } from '../os/system.ts'
import { batmapHeaderOffset } from './header.ts'
import { keyOf, readBatmapHeader } from './Batmap.ts'
import { createDisk, type NewParent } from './create.ts'
import { vhdError } from './errors.ts'
import type { ParentLink } from './header.ts'
import { roundToBlock, vhdTime } from './layout.ts'
import { canonicalPath, type ParentRef, type Place, relativeFrom, walkChain } from './parents.ts'
import { ZERO_UUID } from './uuid.ts'
import { openStorage } from './Storage.ts'
import { usingVhd, type VhdImage } from './VhdImage.ts'
import type { SnapshotOptions } from './VhdUtil.ts'

export type Source = Pick<System, 'newUuid' | 'now'>

interface ParentFacts {
  readonly virtualSize: number
  readonly uuid: string
  readonly key: Buffer | undefined
}

/** Makes `child` an empty child of `parent` or of the ancestor that holds its data (spec vhd 7.2). */
export async function snapshotVhd(
  place: Place & Source,
  child: string,
  parent: string,
  options: SnapshotOptions,
): Promise<void> {
  const named: ParentRef = { path: await canonicalPath(place, parent), raw: options.parentRaw === true }
  const exact = named.raw || options.exactParent === true
  const target = exact ? named : await firstWithData(place, named)
  const facts = await readFacts(place, named)
  const targetFacts = target.path === named.path ? facts : await readFacts(place, target)
  const size = target.path === named.path ? facts.virtualSize : roundToBlock(facts.virtualSize)
  if (size < targetFacts.virtualSize) throw vhdError('EINVAL', `${child} would be smaller than ${target.path}`)
  const childPath = await newChildPath(place, child, [named.path, target.path])
  const key = facts.key ?? targetFacts.key
  await createDisk(place.files, {
    path: childPath,
    size,
    uuid: place.newUuid(),
    now: place.now(),
    ...(options.maxSize === undefined ? {} : { maxSize: requireRoom(options.maxSize, size) }),
    parent: {
      link: await linkTo(place, target.path, targetFacts.uuid),
      relative: relativeFrom(path.dirname(childPath), target.path),
      ...(key === undefined ? {} : { key }),
    },
  })
}

/**
 * Makes `child` an empty child of the VHD that is now at `parentFile` but will be called `linkName` in the child's
 * directory. For switches by rename on file systems without hard links (spec file-sr 22.3 step 9).
 */
export async function createChildOf(
  place: Place & Source,
  child: string,
  { parentFile, linkName }: { readonly parentFile: string; readonly linkName: string },
): Promise<void> {
  if (linkName !== path.basename(linkName) || linkName === '' || linkName === '..' || linkName === '.') {
    throw vhdError('EINVAL', `${linkName} is not a plain file name`)
  }
  const parent = await canonicalPath(place, parentFile)
  const facts = await readFacts(place, { path: parent, raw: false })
  const link = { ...(await linkTo(place, parent, facts.uuid)), name: linkName }
  const inherited: NewParent = {
    link,
    relative: `./${linkName}`,
    ...(facts.key === undefined ? {} : { key: facts.key }),
  }
  await createDisk(place.files, {
    path: await newChildPath(place, child, [parent]),
    size: facts.virtualSize,
    uuid: place.newUuid(),
    now: place.now(),
    parent: inherited,
  })
}

/** What a child's header says of its parent. `parent` is canonical. */
export async function linkTo({ files }: Place, parent: string, uuid: string): Promise<ParentLink> {
  const { mtimeMs } = await files.stat(parent)
  return { uuid, timestamp: vhdTime(mtimeMs), name: path.basename(parent) }
}

/** The first image from `start` upward that is no empty differencing disk (spec vhd 7.2). */
async function firstWithData(place: Place, start: ParentRef): Promise<ParentRef> {
  const passed = await walkChain(place, start.path, {}, isEmptyChild)
  return passed.at(-1) ?? start
}

async function isEmptyChild(image: VhdImage): Promise<boolean> {
  return image.isDifferencing && (await image.readTable()).isEmpty
}

async function readFacts(place: Place, { path: file, raw }: ParentRef): Promise<ParentFacts> {
  if (raw) return { virtualSize: await rawSize(place, file), uuid: ZERO_UUID, key: undefined }
  return usingVhd(place.files, file, {}, async image => ({
    virtualSize: image.virtualSize,
    uuid: image.footer.uuid,
    key: await readKey(image),
  }))
}

/** The key entry of an image's batmap header, undefined where it has none. */
export async function readKey(image: VhdImage): Promise<Buffer | undefined> {
  if (image.isFixed || !image.footer.hasBatmap) return undefined
  return keyOf(await readBatmapHeader(image.storage, batmapHeaderOffset(image.header)))
}

async function rawSize({ files }: Place, file: string): Promise<number> {
  const storage = await openStorage(files, file, false)
  await storage.close()
  return storage.size
}

/** The canonical name of a file to be made. Throws EINVAL where it would replace one of its own ancestors. */
async function newChildPath({ files }: Place, child: string, ancestors: readonly string[]): Promise<string> {
  const directory = await files.realpath(path.dirname(path.resolve(child)))
  const childPath = path.join(directory, path.basename(child))
  if (!(await files.exists(childPath))) return childPath
  const existing = await canonicalPath({ files }, child)
  const { dev, ino } = await files.identity(existing)
  for (const ancestor of ancestors) {
    const other = await files.identity(ancestor)
    if (other.dev === dev && other.ino === ino) throw vhdError('EINVAL', `${child} is the parent itself`)
  }
  return existing
}

function requireRoom(maxSize: number, size: number): number {
  if (maxSize < size) throw vhdError('EINVAL', `room for ${maxSize} is less than the size ${size}`)
  return maxSize
}
