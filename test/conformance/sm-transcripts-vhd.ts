import type { FileFacts } from './sm-transcripts-format.ts'

const UNUSED = 0xffffffff
const SECTOR = 512
const TYPES = new Map([
  [2, 'fixed'],
  [3, 'dynamic'],
  [4, 'differencing'],
])

/**
 * The headers of a dynamic VHD as the recordings show them, read without the code under test (spec vhd 2.2-2.6).
 * Throws Error where the file has no footer at its end.
 */
export function decodeVhd(file: Buffer): NonNullable<FileFacts['vhd']> {
  const copy = file.subarray(0, SECTOR)
  const end = file.subarray(file.length - SECTOR)
  if (end.toString('latin1', 0, 8) !== 'conectix') throw new Error('no footer at the end')
  const type = TYPES.get(end.readUInt32BE(60))
  const header = file.subarray(number64(copy, 16), number64(copy, 16) + 1024)
  const entries = header.readUInt32BE(28)
  const table = Array.from({ length: entries }, (_, n) => file.readUInt32BE(number64(header, 16) + 4 * n))
  const blocks = table.filter(sector => sector !== UNUSED)
  const span = header.readUInt32BE(32) + SECTOR * Math.ceil(header.readUInt32BE(32) / SECTOR / 8 / SECTOR)
  return {
    type,
    ...footerFacts(end),
    bat_entries: entries,
    bat_offset: number64(header, 16),
    block_size: header.readUInt32BE(32),
    allocated_blocks: blocks.length,
    footer_at_end: true,
    header_version: header.readUInt32BE(24),
    ...(blocks.length === 0 ? {} : { data_end: Math.max(...blocks) * SECTOR + span }),
    ...(type === 'differencing' ? parentFacts(file, header) : {}),
    batmap: batmapFacts(file, entries),
  }
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

function parentFacts(file: Buffer, header: Buffer) {
  const name = Buffer.from(header.subarray(64, 576)).swap16().toString('utf16le').replace(/\0+$/, '')
  const locators = Array.from({ length: 8 }, (_, n) => header.subarray(576 + 24 * n, 600 + 24 * n))
  return {
    parent_name: name,
    locators: locators.filter(entry => entry.readUInt32BE(0) !== 0).map(entry => locatorFacts(file, entry)),
    has_parent_uuid: header.subarray(40, 56).some(byte => byte !== 0),
  }
}

function locatorFacts(file: Buffer, entry: Buffer) {
  const code = entry.toString('latin1', 0, 4)
  const [space, length, offset] = [entry.readUInt32BE(4), entry.readUInt32BE(8), number64(entry, 16)]
  const data = file.subarray(offset, offset + length)
  return [code, space, length, offset, data.toString(code === 'MacX' ? 'utf8' : 'utf16le')]
}

/** The batmap header follows the table (spec vhd 2.8). */
function batmapFacts(file: Buffer, entries: number) {
  const tableOffset = number64(file.subarray(SECTOR, 3 * SECTOR), 16)
  const at = tableOffset + Math.ceil((4 * entries) / SECTOR) * SECTOR
  const batmap = at + SECTOR <= file.length ? file.subarray(at, at + SECTOR) : Buffer.alloc(SECTOR)
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
