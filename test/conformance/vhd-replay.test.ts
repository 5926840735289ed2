import * as fs from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { EmbeddedVhdUtil } from '../../lib/vhd/EmbeddedVhdUtil.ts'
import { openImage } from '../../lib/vhd/openImage.ts'
import { makeSystem } from '../../lib/os/system.ts'
import {
  type GoldenCase,
  goldenCases,
  goldenFile,
  type GoldenOp,
  guestPattern,
  scratch,
  sha256,
  sha256OfFile,
} from './vhdGolden.ts'

const MIB = 1024 * 1024
const BLOCK = 2 * MIB
const system = makeSystem()
const directories: string[] = []

afterEach(() => {
  for (const directory of directories.splice(0)) fs.rmSync(directory, { recursive: true, force: true })
})

/** Steps that make files as the reference does; what follows another kind of step (damage, coalescing) is not replayed. */
const OPERATIONS: Readonly<Record<string, (directory: string, op: GoldenOp) => Promise<void>>> = {
  create: async (directory, op) => {
    const options = { ...room(op), fixed: op.argv?.includes('-r') === true }
    await utilFor(op).create(path.join(directory, op.file ?? ''), (op.sizeMB ?? 0) * MIB, options)
  },
  snapshot: async (directory, op) => {
    const options = { ...room(op), parentRaw: op.parentRaw === true, exactParent: op.checkEmpty === false }
    await utilFor(op).snapshot(path.join(directory, op.file ?? ''), path.join(directory, op.parent ?? ''), options)
  },
  write: writePattern,
  set: async (directory, op) => utilFor(op).setHidden(argument(directory, op, '-n'), option(op, '-v') === '1'),
  'modify-parent': async (directory, op) =>
    utilFor(op).setParent(argument(directory, op, '-n'), argument(directory, op, '-p')),
  'modify-parent-raw': async (directory, op) =>
    utilFor(op).setParent(argument(directory, op, '-n'), argument(directory, op, '-p'), { parentRaw: true }),
  'modify-z': async (directory, op) => utilFor(op).killData(argument(directory, op, '-n')),
  resize,
  'resize-fast': resize,
  key: async (directory, op) =>
    utilFor(op).setKeyHash(argument(directory, op, '-n'), option(op, '-H'), option(op, '-N')),
  raw: makeRaw,
  copy: (directory, op) => fs.promises.copyFile(path.join(directory, op.from ?? ''), path.join(directory, op.to ?? '')),
  unlink: (directory, op) => fs.promises.unlink(path.join(directory, op.file ?? '')),
}

/** The reference moves a block that is not in the way of the growing tables; ours leaves it where it is. */
const MOVES_LESS = new Set(['resized-offline-diff'])

const replayed = goldenCases()
  .filter(({ blockDevice, recipe }) => blockDevice === undefined && recipe.length > 0)
  .map(golden => ({ golden, steps: replayableSteps(golden) }))

describe('replaying recorded operations', () => {
  it.each(replayed)('leaves the bytes of the reference in $golden.name', async ({ golden, steps }) => {
    const directory = scratch()
    directories.push(directory)
    for (const { path: file } of golden.files)
      fs.mkdirSync(path.dirname(path.join(directory, file)), { recursive: true })
    expect(steps.length).toBeGreaterThan(0)
    for (const [index, op] of steps.entries()) {
      if (op.parentMtimeUnix !== undefined) setTimes(directory, op.parentMtimeUnix)
      await OPERATIONS[op.op]?.(directory, op)
      for (const [file, hash] of Object.entries(op.sha256After ?? {})) {
        if (MOVES_LESS.has(golden.name) && op.op === 'resize')
          await expectSameDisk(path.join(directory, file), golden, file)
        else if (op.op === 'resize') expectSameButTablePadding(path.join(directory, file), goldenFile(golden, file))
        else expect(sha256OfFile(path.join(directory, file)), `${file} after step ${index} (${op.op})`).toBe(hash)
      }
    }
  })
})

async function expectSameDisk(file: string, golden: GoldenCase, name: string): Promise<void> {
  await new EmbeddedVhdUtil(system).check(file)
  const image = await openImage(system.files, file)
  const content = await image.read(0, image.virtualSize).finally(() => image.close())
  expect(sha256(content)).toBe(golden.images[name]?.guestSha256)
}

/** The reference's offline resize leaves stray memory between the last table entry and the end of its sector; ours zeroes. */
function expectSameButTablePadding(ours: string, golden: Buffer): void {
  const bytes = fs.readFileSync(ours)
  const entries = golden.readUInt32BE(512 + 28)
  const padding = { start: 1536 + entries * 4, end: 1536 + Math.ceil(entries / 128) * 512 }
  expect(padding.end).toBeGreaterThan(padding.start)
  expect(bytes.subarray(padding.start, padding.end).every(byte => byte === 0)).toBe(true)
  golden.fill(0, padding.start, padding.end)
  expect(sha256(bytes)).toBe(sha256(golden))
}

function replayableSteps({ recipe }: GoldenCase): GoldenOp[] {
  const stop = recipe.findIndex(op => OPERATIONS[op.op] === undefined || (op.op === 'set' && option(op, '-v') > '1'))
  return recipe.slice(0, stop === -1 ? recipe.length : stop)
}

function utilFor(op: GoldenOp): EmbeddedVhdUtil {
  return new EmbeddedVhdUtil({
    files: system.files,
    newUuid: () => op.uuid ?? '',
    now: () => (op.nowUnix ?? 0) * 1000,
  })
}

function room({ msizeMB = 0 }: GoldenOp): { maxSize?: number } {
  return msizeMB === 0 ? {} : { maxSize: msizeMB * MIB }
}

async function writePattern(directory: string, op: GoldenOp): Promise<void> {
  const { file = '', offset = 0, length = 0, seed = 0 } = op
  for (let at = offset; at < offset + length; at = (Math.floor(at / BLOCK) + 1) * BLOCK) {
    const end = Math.min(offset + length, (Math.floor(at / BLOCK) + 1) * BLOCK)
    const image = await openImage(system.files, path.join(directory, file), { write: true })
    await image.write(at, guestPattern(at, end - at, seed))
    await image.close()
  }
}

async function resize(directory: string, op: GoldenOp): Promise<void> {
  const size = Number(option(op, '-s')) * MIB
  await utilFor(op).resize(argument(directory, op, '-n'), size, path.join(directory, 'journal'))
  expect(fs.existsSync(path.join(directory, 'journal'))).toBe(false)
}

async function makeRaw(directory: string, { file = '', bytes = 0, fillByte = 0, sectorPattern }: GoldenOp) {
  const content = Buffer.alloc(bytes, fillByte)
  if (sectorPattern !== undefined) {
    for (let sector = 0; sector < bytes / 512; sector += sectorPattern.every) {
      guestPattern(sector * 512, 512, sectorPattern.seed).copy(content, sector * 512)
    }
  }
  await fs.promises.writeFile(path.join(directory, file), content)
}

function setTimes(directory: string, seconds: number): void {
  for (const name of fs.readdirSync(directory)) fs.utimesSync(path.join(directory, name), seconds, seconds)
}

function argument(directory: string, op: GoldenOp, flag: string): string {
  return path.join(directory, option(op, flag))
}

function option({ argv = [] }: GoldenOp, flag: string): string {
  return argv[argv.indexOf(flag) + 1] ?? ''
}
