import * as fs from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { EmbeddedVhdUtil } from '../../lib/vhd/EmbeddedVhdUtil.ts'
import { inspectVhd } from '../../lib/vhd/inspect.ts'
import { usingVhd } from '../../lib/vhd/VhdImage.ts'
import { VhdError } from '../../lib/vhd/VhdUtil.ts'
import { makeSystem } from '../../lib/os/system.ts'
import { type GoldenCase, goldenCases, type GoldenImage, sha256OfFile, unpack } from './vhdGolden.ts'

const system = makeSystem()
const { files } = system
const util = new EmbeddedVhdUtil(system)
const directories: string[] = []

afterEach(() => {
  for (const directory of directories.splice(0)) fs.rmSync(directory, { recursive: true, force: true })
})

function unpacked(golden: GoldenCase): string {
  const directory = unpack(golden)
  directories.push(directory)
  return directory
}

const TYPES: Readonly<Record<number, string>> = { 2: 'fixed', 3: 'dynamic', 4: 'differencing' }
const cases = goldenCases()
const fileCases = cases.filter(golden => golden.blockDevice === undefined)
const images = fileCases.flatMap(golden =>
  Object.entries(golden.images).map(([file, image]) => ({ golden, file, image, title: `${golden.name}/${file}` })),
)
const readable = images.filter(({ image }) => image.virtualSize !== undefined && image.guestReadError !== true)
const unreadable = images.filter(({ image }) => image.virtualSize === undefined)

describe('inspecting recorded images', () => {
  it.each(readable)('reads the identity of $title', async ({ golden, file, image }) => {
    const found = await inspectVhd(files, path.join(unpacked(golden), file), { allowPoisoned: true })
    expect(found).toMatchObject({
      uuid: image.uuid,
      type: TYPES[image.type ?? 0],
      virtualSize: image.virtualSize,
      hidden: image.hidden !== 0,
      allocatedBlocks: Object.keys(image.bat ?? {}).length,
      maxBatEntries: image.maxBatEntries ?? 0,
      footer: image.footerUsed === 'end' ? 'end' : 'copy',
      parentName: image.parentName,
    })
    expect(found.parentUuid ?? '00000000-0000-0000-0000-000000000000').toBe(image.parentUuid ?? ZERO)
  })

  it.each(readable.filter(({ image }) => image.bat !== undefined))('finds the blocks of $title', async item => {
    const bat = await readBat(path.join(unpacked(item.golden), item.file))
    expect(bat).toEqual(item.image.bat)
  })

  it.each(unreadable)('refuses $title', async ({ golden, file }) => {
    await expect(inspectVhd(files, path.join(unpacked(golden), file))).rejects.toMatchObject({ name: 'VhdError' })
  })

  it.each(images.filter(({ image }) => image.cookie === 'v_poison'))('refuses to open poisoned $title', async item => {
    const directory = unpacked(item.golden)
    await expect(inspectVhd(files, path.join(directory, item.file))).rejects.toMatchObject({ code: 'EINVAL' })
  })
})

const ZERO = '00000000-0000-0000-0000-000000000000'

async function readBat(file: string): Promise<GoldenImage['bat']> {
  return usingVhd(files, file, { allowPoisoned: true }, async image =>
    Object.fromEntries([...(await image.readTable()).allocated()].map(({ block, sector }) => [String(block), sector])),
  )
}

const checks = fileCases.flatMap(golden =>
  golden.commands
    .filter(({ argv }) => argv[1] === 'check' && !argv.includes('-p') && !argv.includes('-B'))
    .map(command => ({ golden, command, title: `${golden.name}: ${command.argv.slice(1).join(' ')}` })),
)

async function verdictOf(file: string, allowMissingEndFooter: boolean): Promise<{ rc: number; message: string }> {
  try {
    await util.check(file, { allowMissingEndFooter })
    return { rc: 0, message: '' }
  } catch (error) {
    if (!(error instanceof VhdError)) throw error
    return { rc: error.errno, message: error.message }
  }
}

describe('check', () => {
  it.each(checks)('judges $title as the reference does', async ({ golden, command }) => {
    const file = path.join(unpacked(golden), command.argv.at(-1) ?? '')
    const verdict = await verdictOf(file, command.argv.includes('-i'))
    expect(verdict.rc).toBe(command.rc)
    if (command.rc !== 0) {
      const said = verdict.message.replaceAll(path.dirname(file), '@DIR@')
      expect(said).toBe(command.stdout?.split('\n')[0])
    }
  })
})

describe('revert of an interrupted resize', () => {
  const reverts = cases.flatMap(golden => (golden.revert === undefined ? [] : [{ golden, revert: golden.revert }]))

  it.each(reverts)('restores $golden.name', async ({ golden, revert }) => {
    const directory = unpacked(golden)
    const disk = path.join(directory, 'd.vhd')
    await util.revertResize(disk, path.join(directory, 'jrn'))
    expect(fs.statSync(disk).size).toBe(revert.fileSizeAfter)
    expect(sha256OfFile(disk)).toBe(revert.fileSha256After)
    expect(await util.virtualSize(disk)).toBe(revert.virtualSizeAfter)
    expect(fs.existsSync(path.join(directory, 'jrn'))).toBe(false)
  })
})
