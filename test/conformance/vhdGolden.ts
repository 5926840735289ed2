import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import path from 'node:path'
import os from 'node:os'
import { gunzipSync } from 'node:zlib'

/** One recorded case, see `test/fixtures/vhd/golden/README.md`. */
export interface GoldenCase {
  readonly name: string
  readonly recipe: readonly GoldenOp[]
  readonly files: readonly { readonly path: string; readonly size: number; readonly sha256: string }[]
  readonly images: Readonly<Record<string, GoldenImage>>
  readonly commands: readonly GoldenCommand[]
  readonly revert?: GoldenRevert
  readonly blockDevice?: GoldenDevice
}

export interface GoldenCommand {
  readonly argv: readonly string[]
  readonly rc: number
  readonly stdout?: string
  readonly stderr: string
  /** Instead of `stdout` where the output is binary. */
  readonly stdoutHex?: string
  /** Instead of `stdout` where the order is the directory's. */
  readonly stdoutLinesAnyOrder?: readonly string[]
  /** Only the first line was kept. */
  readonly stdoutNote?: string
}

export interface GoldenDevice {
  readonly image: string
  readonly virtualSize: number
  readonly guestSha256: string
  readonly commands: readonly GoldenCommand[]
}

export interface GoldenOp {
  readonly op: string
  readonly argv?: readonly string[]
  readonly rc?: number
  readonly stdout?: string
  /** `NAME=1` */
  readonly env?: string
  readonly nowUnix?: number
  readonly uuid?: string
  readonly file?: string
  readonly device?: string
  readonly parent?: string
  readonly parentRaw?: boolean
  readonly sizeMB?: number
  readonly msizeMB?: number
  readonly checkEmpty?: boolean
  readonly parentMtimeUnix?: number
  readonly offset?: number
  readonly length?: number
  readonly seed?: number
  readonly bytes?: number
  readonly fillByte?: number
  readonly sectorPattern?: { readonly seed: number; readonly every: number }
  readonly from?: string
  readonly to?: string
  readonly sha256After?: Readonly<Record<string, string>>
}

export interface GoldenImage {
  readonly virtualSize?: number
  readonly cookie?: string
  readonly type?: number
  readonly footerUsed?: string
  readonly uuid?: string
  readonly parentUuid?: string
  readonly parentName?: string
  readonly hidden?: number
  readonly maxBatEntries?: number
  readonly bat?: Readonly<Record<string, number>>
  readonly guestSha256?: string
  readonly guestReadError?: boolean
}

export interface GoldenRevert {
  readonly argv: readonly string[]
  readonly fileSizeAfter: number
  readonly fileSha256After: string
  readonly guestSha256After: string
  readonly virtualSizeAfter: number
}

const ROOT = path.join(import.meta.dirname, '../fixtures/vhd/golden')

export function goldenCases(): GoldenCase[] {
  const { cases } = readJson(path.join(ROOT, 'index.json')) as { cases: string[] }
  return cases.map(name => ({ ...(readJson(path.join(ROOT, name, 'expected.json')) as GoldenCase), name }))
}

/** Unpacks a case into a fresh folder and returns its real path. */
export function unpack(golden: GoldenCase): string {
  const directory = scratch()
  for (const file of golden.files) {
    const target = path.join(directory, file.path)
    fs.mkdirSync(path.dirname(target), { recursive: true })
    fs.writeFileSync(target, goldenFile(golden, file.path))
  }
  return directory
}

/** One file of a case as the reference left it at the end. */
export function goldenFile(golden: GoldenCase, file: string): Buffer {
  return gunzipSync(fs.readFileSync(path.join(ROOT, golden.name, `${file}.gz`)))
}

export function scratch(): string {
  return fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'vhd-')))
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

export function sha256OfFile(file: string): string {
  return sha256(fs.readFileSync(file))
}

/** The bytes a recorded guest write puts on the disk: every sector tells its number and the seed. */
export function guestPattern(offset: number, length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at += 8) {
    bytes.writeUInt32LE(Math.floor((offset + at) / 512), at)
    bytes.writeUInt32LE(seed, at + 4)
  }
  return bytes
}

function readJson(file: string): unknown {
  return JSON.parse(fs.readFileSync(file, 'utf8'))
}
