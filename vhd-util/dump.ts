import { checksumStruct, fuFooter, fuHeader } from 'vhd-lib/_structs.js'
import type { Batmap } from '../lib/vhd/Batmap.ts'
import { complementOfSum } from '../lib/vhd/fields.ts'
import { EPOCH, SECTOR_SIZE } from '../lib/vhd/layout.ts'
import { bytesToUuid } from '../lib/vhd/uuid.ts'

/** Prints numbers, in hexadecimal where `-x` asks for it. */
export type Format = (value: number | bigint) => string

const MIB = 1024 * 1024
const LABEL = 20

const TYPES = [
  'None',
  'Reserved (deprecated)',
  'Fixed hard disk',
  'Dynamic hard disk',
  'Differencing hard disk',
  'Reserved (deprecated)',
  'Reserved (deprecated)',
]

/** Operating systems by the four bytes of the footer. */
const SYSTEMS = new Map([
  ['Wi2k', 'Windows'],
  ['Mac ', 'Macintosh'],
])

/** The footer as `read -p` prints it; any 512 bytes will do (spec vhd 2.2, 7.4). */
export function dumpFooter(raw: Buffer, format: Format): string {
  const geometry = { cylinders: raw.readUInt16BE(56), heads: raw.readUInt8(58), sectors: raw.readUInt8(59) }
  const chs = geometry.cylinders * geometry.heads * geometry.sectors * SECTOR_SIZE
  return section('VHD Footer Summary', [
    ['Cookie', text(raw, 0, 8)],
    ['Features', `(${word(raw, 8)}) ${features(raw.readUInt32BE(8))}`],
    ['File format version', version(raw.readUInt32BE(12))],
    ['Data offset', format(raw.readBigUInt64BE(16))],
    ['Timestamp', localTime(raw.readUInt32BE(24))],
    ['Creator Application', `'${text(raw, 28, 4)}'`],
    ['Creator version', version(raw.readUInt32BE(32))],
    ['Creator OS', SYSTEMS.get(raw.toString('latin1', 36, 40)) ?? 'Unknown!'],
    ['Original disk size', size(raw.readBigUInt64BE(40))],
    ['Current disk size', size(raw.readBigUInt64BE(48))],
    ['Geometry', `Cyl: ${geometry.cylinders}, Hds: ${geometry.heads}, Sctrs: ${geometry.sectors}`],
    ['', `= ${size(BigInt(chs))}`],
    ['Disk type', TYPES[raw.readUInt32BE(60)] ?? 'Unknown type!'],
    ['Checksum', checksum(raw.readUInt32BE(64), checksumStruct(Buffer.from(raw), fuFooter))],
    ['UUID', bytesToUuid(raw.subarray(68, 84))],
    ['Saved state', raw.readUInt8(84) === 0 ? 'No' : 'Yes'],
    ['Hidden', String(raw.readUInt8(85))],
  ])
}

/** The dynamic header as `read -p` prints it; any 1024 bytes will do (spec vhd 2.5, 7.4). */
export function dumpHeader(raw: Buffer, format: Format): string {
  const blockSize = raw.readUInt32BE(32)
  return section('VHD Header Summary', [
    ['Cookie', text(raw, 0, 8)],
    ['Data offset (unusd)', format(raw.readBigUInt64BE(8))],
    ['Table offset', format(raw.readBigUInt64BE(16))],
    ['Header version', word(raw, 24)],
    ['Max BAT size', format(raw.readUInt32BE(28))],
    ['Block size', `${format(blockSize)} (${Math.floor(blockSize / MIB)} MB)`],
    ['Parent name', unicode(raw.subarray(64, 576))],
    ['Parent UUID', bytesToUuid(raw.subarray(40, 56))],
    ['Parent timestamp', localTime(raw.readUInt32BE(56))],
    ['Checksum', checksum(raw.readUInt32BE(36), checksumStruct(Buffer.from(raw), fuHeader))],
  ])
}

/** The batmap's header as `read -p` prints it (spec vhd 2.6). */
export function dumpBatmap({ header, bits }: Batmap, format: Format): string {
  const key = header.raw.subarray(29, 94)
  const keyLines: [string, string][] =
    key[0] === 1
      ? [
          ['Batmap keyhash nonce', key.toString('hex', 1, 33)],
          ['Batmap keyhash hash', key.toString('hex', 33)],
        ]
      : []
  return section('VHD Batmap Summary', [
    ['Batmap offset', format(header.offset)],
    ['Batmap size (secs)', format(header.reserved / SECTOR_SIZE)],
    ['Batmap version', word(header.raw, 20)],
    ...keyLines,
    ['Checksum', checksum(header.checksum, complementOfSum(bits))],
  ])
}

/** Title, underline, one line per entry, an empty line. */
function section(title: string, entries: readonly (readonly [string, string])[]): string {
  const lines = entries.map(([label, value]) => `${label.padEnd(LABEL)}: ${value}\n`)
  return `${title}:\n${'-'.repeat(title.length + 1)}\n${lines.join('')}\n`
}

function text(raw: Buffer, start: number, length: number): string {
  const bytes = raw.subarray(start, start + length)
  const end = bytes.indexOf(0)
  return bytes.toString('latin1', 0, end === -1 ? length : end)
}

function unicode(bytes: Buffer): string {
  const name = Buffer.from(bytes).swap16().toString('utf16le')
  const end = name.indexOf('\0')
  return end === -1 ? name : name.slice(0, end)
}

function features(bits: number): string {
  return `${(bits & 1) === 0 ? '' : '<TEMP>'}${(bits & 2) === 0 ? '' : '<RESV>'}`
}

function version(value: number): string {
  return `Major: ${value >>> 16}, Minor: ${value & 0xffff}`
}

function word(raw: Buffer, offset: number): string {
  return `0x${raw.readUInt32BE(offset).toString(16).padStart(8, '0')}`
}

function size(bytes: bigint): string {
  return `${bytes / BigInt(MIB)} MB (${bytes} Bytes)`
}

function checksum(stored: number, computed: number): string {
  return `0x${stored.toString(16)}|0x${computed.toString(16)} (${stored === computed ? 'Good!' : 'Bad!'})`
}

/** As ctime(3) in the local zone, from seconds since 2000. */
function localTime(seconds: number): string {
  const [weekday, month, day, year, time] = new Date((seconds + EPOCH) * 1000).toString().split(' ')
  return `${weekday} ${month} ${String(Number(day)).padStart(2)} ${time} ${year}`
}
