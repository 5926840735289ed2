import type { Files } from '../os/files.ts'
import { makeBatmap, withKey, type BatmapHeader } from './Batmap.ts'
import { emptyTable } from './BlockTable.ts'
import { vhdError } from './errors.ts'
import { type Footer, makeFooter } from './footer.ts'
import { batmapHeaderOffset, endOfBatmap, type Header, makeHeader, type ParentLink } from './header.ts'
import {
  DEFAULT_BLOCK_SIZE,
  DISK_TYPES,
  FOOTER_SIZE,
  MAX_VIRTUAL_SIZE,
  SECTOR_SIZE,
  TABLE_OFFSET,
  vhdTime,
} from './layout.ts'
import { type EncodedLocator, encodeLocators } from './locator.ts'
import { createStorage, type Storage } from './Storage.ts'

/** What a new disk takes from outside. */
export interface NewDisk {
  readonly path: string
  /** Virtual size, bytes. */
  readonly size: number
  /** Lay out the tables for this size, to grow into later; bytes. */
  readonly maxSize?: number
  readonly uuid: string
  /** Milliseconds since 1970. */
  readonly now: number
  readonly parent?: NewParent
}

export interface NewParent {
  readonly link: ParentLink
  /** From the child's directory, `./name`. */
  readonly relative: string
  /** Key entry to inherit. */
  readonly key?: Buffer
}

/**
 * Writes an empty dynamic or differencing disk (spec vhd 2.1, 7.1, 7.2), durable when this returns.
 * A file that could not be finished is removed. Throws EINVAL for sizes that do not fit, ENOSPC, EILSEQ.
 */
export async function createDisk(files: Files, disk: NewDisk): Promise<void> {
  const plan = planDisk(disk)
  await createFile(files, disk.path, storage => writeDisk(storage, plan))
}

/** Writes a fixed disk: zeroes, written out so that their room is taken, and a footer (spec vhd 2.1, 7.1). Throws ENOSPC. */
export async function createFixedDisk(files: Files, disk: NewDisk): Promise<void> {
  const { path, size, uuid, now } = disk
  if (!Number.isSafeInteger(size) || size < 0 || size > MAX_VIRTUAL_SIZE) throw vhdError('EINVAL', `size ${size}`)
  const footer = makeFooter({ type: DISK_TYPES.FIXED, size, uuid, timestamp: vhdTime(now) })
  const zeroes = Buffer.alloc(DEFAULT_BLOCK_SIZE)
  await createFile(files, path, async storage => {
    const room = storage.isDevice ? storage.size - FOOTER_SIZE : size
    if (size > room) throw vhdError('ENOSPC', `${path} has no room for ${size} bytes`)
    for (let at = 0; at < size; at += zeroes.length) {
      await storage.write(zeroes.subarray(0, Math.min(zeroes.length, size - at)), at)
    }
    await storage.write(footer.raw, room)
    await storage.sync()
  })
}

interface Plan {
  readonly footer: Footer
  readonly header: Header
  readonly locators: readonly EncodedLocator[]
  readonly key: Buffer | undefined
}

function planDisk({ size, maxSize = 0, uuid, now, parent }: NewDisk): Plan {
  const room = Math.max(size, maxSize)
  if (!Number.isSafeInteger(room) || size < 0 || room > MAX_VIRTUAL_SIZE) throw vhdError('EINVAL', `size ${room}`)
  const maxEntries = Math.ceil(room / DEFAULT_BLOCK_SIZE)
  const layout = { tableOffset: TABLE_OFFSET, maxEntries }
  const locators = parent === undefined ? [] : encodeLocators(parent.relative, endOfBatmap(layout))
  const type = parent === undefined ? DISK_TYPES.DYNAMIC : DISK_TYPES.DIFFERENCING
  return {
    footer: makeFooter({ type, size, uuid, timestamp: vhdTime(now) }),
    header: makeHeader({
      maxEntries,
      ...(parent === undefined ? {} : { parent: parent.link }),
      locators: locators.map(({ locator }) => locator),
    }),
    locators,
    key: parent?.key,
  }
}

async function writeDisk(storage: Storage, { footer, header, locators, key }: Plan): Promise<void> {
  const batmapHeader = batmapHeaderOffset(header)
  const batmap = makeBatmap(header.maxEntries, batmapHeader + SECTOR_SIZE)
  await storage.write(batmap.bits, batmap.header.offset)
  await storage.write(withInheritedKey(batmap.header, key).raw, batmapHeader)
  await storage.write(emptyTable(header.maxEntries).bytes, header.tableOffset)
  for (const { locator, bytes } of locators) await storage.write(bytes, locator.offset)
  await storage.write(footer.raw, 0)
  await storage.write(header.raw, FOOTER_SIZE)
  const last = locators.at(-1)?.locator
  const end = last === undefined ? endOfBatmap(header) : last.offset + last.space
  await storage.write(footer.raw, storage.isDevice ? storage.size - FOOTER_SIZE : end)
  await storage.sync()
}

function withInheritedKey(header: BatmapHeader, key: Buffer | undefined): BatmapHeader {
  return key === undefined ? header : withKey(header, key)
}

async function createFile(files: Files, path: string, write: (storage: Storage) => Promise<void>): Promise<void> {
  const storage = await createStorage(files, path)
  try {
    await write(storage).finally(() => storage.close())
  } catch (error) {
    if (!storage.isDevice) await files.unlinkIfPresent(path)
    throw error
  }
}
