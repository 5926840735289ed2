import type { FileFacts } from './sm-transcripts-format.ts'

const UNUSED = 0xffffffff
const SECTOR = 512
const TABLE_PART = 64 * 1024
const TYPES = new Map([
  [2, 'fixed'],
  [3, 'dynamic'],
  [4, 'differencing'],
])

/** Where an image is: in a file or a volume. */
export interface ImageBytes {
  /** Bytes. */
  readonly size: number
  readonly read: (position: number, length: number) => Promise<Buffer>
}

/**
 * The headers of a dynamic VHD as the recordings show them, read without the code under test (spec vhd 2.2-2.6).
 * Undefined where there is none.
 */
export async function decodeVhd(image: ImageBytes): Promise<FileFacts['vhd']> {
  const copy = await image.read(0, SECTOR)
  const end = await image.read(image.size - SECTOR, SECTOR)
  const [footer] = [end, copy].filter(bytes => bytes.toString('latin1', 0, 8) === 'conectix')
  if (footer === undefined || copy.toString('latin1', 0, 8) !== 'conectix') return undefined
  const type = TYPES.get(footer.readUInt32BE(60))
  const header = await image.read(number64(copy, 16), 1024)
  const entries = header.readUInt32BE(28)
  const blocks = usedSectors(await image.read(number64(header, 16), 4 * entries))
  const span = header.readUInt32BE(32) + SECTOR * Math.ceil(header.readUInt32BE(32) / SECTOR / 8 / SECTOR)
  return {
    type,
    ...footerFacts(footer),
    bat_entries: entries,
    bat_offset: number64(header, 16),
    block_size: header.readUInt32BE(32),
    allocated_blocks: blocks.length,
    footer_at_end: footer === end,
    header_version: header.readUInt32BE(24),
    ...(blocks.length === 0 ? {} : { data_end: Math.max(...blocks) * SECTOR + span }),
    ...(type === 'differencing' ? await parentFacts(image, header) : {}),
    batmap: await batmapFacts(image, number64(header, 16), entries),
  }
}

/** Entries of a block table that are in use. */
function usedSectors(table: Buffer): number[] {
  const used: number[] = []
  // Of a disk with room for 2 TiB, nearly all are not.
  const unused = Buffer.alloc(TABLE_PART, 0xff)
  for (let at = 0; at < table.length; at += TABLE_PART) {
    const part = table.subarray(at, at + TABLE_PART)
    if (part.equals(unused)) continue
    for (let entry = 0; entry < part.length; entry += 4) {
      if (part.readUInt32BE(entry) !== UNUSED) used.push(part.readUInt32BE(entry))
    }
  }
  return used
}

function footerFacts(footer: Buffer) {
  return {
    virtual_size: number64(footer, 48),
    orig_size: number64(footer, 40),
    hidden: footer.readUInt8(85),
    saved: footer.readUInt8(84),
    chs: [footer.readUInt16BE(56), footer.readUInt8(58), footer.readUInt8(59)],
    creator: footer.toString('latin1', 28, 32),
    creator_version: footer.readUInt32BE(32),
    creator_host: footer.toString('latin1', 36, 40).replaceAll('\0', '\\0'),
    features: footer.readUInt32BE(8),
  }
}

async function parentFacts(image: ImageBytes, header: Buffer) {
  const name = Buffer.from(header.subarray(64, 576)).swap16().toString('utf16le').replace(/\0+$/, '')
  const locators = Array.from({ length: 8 }, (_, n) => header.subarray(576 + 24 * n, 600 + 24 * n))
  return {
    parent_name: name,
    locators: await Promise.all(
      locators.filter(entry => entry.readUInt32BE(0) !== 0).map(entry => locatorFacts(image, entry)),
    ),
    has_parent_uuid: header.subarray(40, 56).some(byte => byte !== 0),
  }
}

async function locatorFacts(image: ImageBytes, entry: Buffer) {
  const code = entry.toString('latin1', 0, 4)
  const [space, length, offset] = [entry.readUInt32BE(4), entry.readUInt32BE(8), number64(entry, 16)]
  const data = await image.read(offset, length)
  return [code, space, length, offset, data.toString(code === 'MacX' ? 'utf8' : 'utf16le')]
}

/** The batmap header follows the table (spec vhd 2.8). */
async function batmapFacts(image: ImageBytes, tableOffset: number, entries: number) {
  const at = tableOffset + Math.ceil((4 * entries) / SECTOR) * SECTOR
  const batmap = at + SECTOR <= image.size ? await image.read(at, SECTOR) : Buffer.alloc(SECTOR)
  if (batmap.toString('latin1', 0, 8) !== 'tdbatmap') throw new Error('no batmap')
  return {
    offset: number64(batmap, 8),
    size_sectors: batmap.readUInt32BE(16),
    version: batmap.readUInt32BE(20),
    key_hash: batmap.readUInt8(28) === 0 ? null : 'set',
  }
}

function number64(bytes: Buffer, offset: number): number {
  return Number(bytes.readBigUInt64BE(offset))
}
